"""A plain script: submit, wait, save the article.

python examples/script.py "AI in SEO" article.html
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orchestrator.client import Client, InvalidRequest, LimitReached


def main(keyword: str, target: Path) -> int:
    """Write an article about *keyword* to *target*; the exit status."""
    pages = [{"title": "Search intent", "url": "https://example.com/search-intent"}]
    with Client(os.environ.get("SOTA_URL", "http://127.0.0.1:8000")) as client:
        try:
            job = client.submit(keyword, existing_pages=pages)
        except InvalidRequest as error:
            print(error.errors, file=sys.stderr)
            return 2
        except LimitReached as error:
            print(f"come back in {error.retry_after:g} s", file=sys.stderr)
            return 3
        job.wait(on_progress=lambda view: print(f"{view.progress:4.0%} {view.step_name or ''}"))
        result = job.result()
    target.write_text(result.content)
    print(f"{target}: {result.metadata.word_count} words, {len(result.references)} references")
    return 0


if __name__ == "__main__":
    keyword, *rest = sys.argv[1:] or ["AI in SEO"]
    sys.exit(main(keyword, Path(rest[0] if rest else "article.html")))
