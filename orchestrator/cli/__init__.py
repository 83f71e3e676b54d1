"""The command line: ``sota up``, ``sota submit``, ``sota watch``, ``sota demo`` and so on.

::

    sota doctor                         # is this machine ready?
    sota up                             # the service, and the sandbox when there are no keys
    sota submit "AI in SEO" --watch     # in another terminal
    sota result job_… -o out/

``sota --help`` lists every command. Exit status: 0 done, 1 it did not work (one line says why
and what to do), 2 the command itself was wrong.
"""

from orchestrator.cli.app import main

__all__ = ["main"]
