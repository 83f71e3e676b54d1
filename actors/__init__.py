"""The body of the orchestrator: everything that is Ray, and nothing else.

Ray reads its authentication mode once, when it is imported. So it is settled here, before any
module of this package imports Ray: where this account has a cluster token, it is used.
"""

import os
from pathlib import Path

if (Path.home() / ".ray" / "auth_token").exists():
    os.environ.setdefault("RAY_AUTH_MODE", "token")
