"""The same handle over Ray, for programs that run inside the cluster.

    python examples/over_ray.py JOB_ID

Joins the cluster at SOTA_RAY_ADDRESS (default: the one on this machine).
"""

from __future__ import annotations

import asyncio
import os
import sys

from actors.client import connect, get_job


async def main(job_id: str) -> None:
    """Follow the job to its end and show its result."""
    connect(os.environ.get("SOTA_RAY_ADDRESS") or "auto")
    job = get_job(job_id)
    view = await job.wait(on_progress=lambda view: print(f"{view.progress:4.0%} {view.activity}"))
    print(view.status)
    result = await job.result()
    print(f"“{result.metadata.title}” cost ${result.metadata.cost:.4f}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
