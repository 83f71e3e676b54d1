from __future__ import annotations

import os

os.environ["RAY_AUTH_MODE"] = "disabled"  # before Ray is imported: it reads this once
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
