"""Who may ask for how much: tiers, quotas, request rates and fair admission, as pure decisions.

Nothing here reads a clock, a database or the network. ``journal/ledger.py`` and
``journal/queue.py`` feed these functions inside the journal's transactions.
"""
