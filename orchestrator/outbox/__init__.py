"""What is told and given to the outside once a job has ended: webhooks and publications.

The journal writes an entry in the transaction that ends the job (``journal/outbox_writes.py``).
One actor in charge (``actors/outbox.py``) drives :class:`~orchestrator.outbox.courier.Courier`,
which claims what is due, has the node's gateway send it, and records every attempt.
"""
