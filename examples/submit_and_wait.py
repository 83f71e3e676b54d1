"""Several jobs at once, their progress, and their typed results.

python examples/submit_and_wait.py "solar panels" "heat pumps"
"""

from __future__ import annotations

import asyncio
import os
import sys

from orchestrator.client import AsyncClient, JobUnsuccessful
from orchestrator.models import JobView


async def write(client: AsyncClient, keyword: str) -> None:
    """One article, from its keyword to a line about its result."""
    job = await client.submit(keyword)
    for warning in job.warnings:
        print(f"{keyword}: {warning}")

    def show(view: JobView) -> None:
        print(f"{keyword}: {view.progress:4.0%}  {'; '.join(view.activity) or view.status}")

    await job.wait(on_progress=show)
    try:
        result = await job.result()
    except JobUnsuccessful as error:
        print(f"{keyword}: {error}")
        return
    quality, metadata = result.quality_report, result.metadata
    print(f"{keyword}: “{metadata.title}”, {metadata.word_count} words, score {quality.score:g}")
    for check in quality.checks:
        if not check.passed:
            print(f"  - {check.name}: {check.advice}")


async def main() -> None:
    """Write an article about each keyword, all at the same time."""
    async with AsyncClient(os.environ.get("SOTA_URL", "http://127.0.0.1:8000")) as client:
        await asyncio.gather(*(write(client, keyword) for keyword in sys.argv[1:] or ["AI in SEO"]))


if __name__ == "__main__":
    asyncio.run(main())
