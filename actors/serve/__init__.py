"""The edge: two Ray Serve applications, declared in ``serve_config.yaml``.

``submit`` takes jobs in (``POST /orchestrator/ultra-sota``); ``status`` shows and controls
them (everything else under ``/orchestrator``). They are apart so that a flood of one does not
slow the other.
"""

from actors.serve.status import status
from actors.serve.submit import submit

__all__ = ["status", "submit"]
