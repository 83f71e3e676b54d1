"""Rework an existing page: what was kept of it, and what was changed.

python examples/refresh_post.py "composting at home" old-page.html
python examples/refresh_post.py "composting at home" 101        # a WordPress post's number
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orchestrator.client import Client


def main(keyword: str, page: str) -> None:
    """Refresh the page and tell what became of it."""
    with Client(os.environ.get("SOTA_URL", "http://127.0.0.1:8000")) as client:
        if page.isdecimal():
            job = client.submit(keyword, mode="refresh", post_id=int(page))
        else:
            job = client.submit(keyword, mode="refresh", existing_content=Path(page).read_text())
        result = job.result()
    print(f"{result.preserved_media} images, embeds and galleries were kept")
    for change in result.changes or ():
        print(f"- {change}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
