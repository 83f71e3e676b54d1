"""A job's events on the terminal: each once and in order, whatever happens in between.

    python examples/follow_events.py JOB_ID [AFTER]

AFTER is the number of the last event that was seen; what came since is shown, and what comes.
"""

from __future__ import annotations

import asyncio
import os
import sys

from orchestrator.client import AsyncClient


async def main(job_id: str, after: int) -> None:
    """Print the events until the job has ended."""
    async with AsyncClient(os.environ.get("SOTA_URL", "http://127.0.0.1:8000")) as client:
        async for event in client.job(job_id).events(after):
            step = event.data.get("step", "")
            detail = event.data.get("detail") or event.data.get("error") or ""
            print(f"{event.seq:4}  {event.type:<18} {step:<28} {detail}".rstrip(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
