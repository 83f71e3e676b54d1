"""The journal: the one place where a job's truth is kept.

``base.py`` is the protocol, ``sql.py`` its implementation over SQLite and PostgreSQL, and
``opening.py`` opens one::

    from orchestrator.journal.opening import open_journal

    journal = await open_journal("sqlite+aiosqlite:///.sota/journal.db")

Importing this package costs nothing: job actors need the protocol only.
"""
