"""The naive baseline's service: ``python -m bench.noop.naive_service PORT RAY_DIR DATABASE``.

One Ray Serve deployment on a Ray of its own. ``POST /jobs`` makes the job's actor and sets it
going. ``GET /jobs/ID`` finds the actor by its name and asks it, or reads the job's row once the
actor has ended. As cheap as can be written: nothing of a job is on disk before its actor has its
process.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import serve
from ray.exceptions import RayActorError
from starlette.requests import Request
from starlette.responses import JSONResponse

from bench.noop.naive_job import NaiveJob, Store, prepare

NAMESPACE = "naive"


class Naive:
    """Takes jobs in and says how they are."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: Store | None = None

    async def __call__(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            return JSONResponse({"id": self._start()}, status_code=202)
        job_id = request.url.path.rpartition("/")[2]
        try:
            return JSONResponse(await ray.get_actor(job_id, namespace=NAMESPACE).status.remote())
        except (ValueError, RayActorError):  # it has ended its process
            return JSONResponse({"status": await self._recorded(job_id)})

    async def _recorded(self, job_id: str) -> str:
        if self._store is None:
            self._store = Store(self._url)
            await self._store.open()
        return await self._store.status(job_id)

    def _start(self) -> str:
        job_id = uuid.uuid4().hex
        job = (
            ray.remote(NaiveJob)
            .options(name=job_id, namespace=NAMESPACE, lifetime="detached", num_cpus=0)
            .remote(job_id, self._url)
        )
        job.run.remote()
        return job_id


def main(port: int, ray_dir: Path, url: str) -> None:
    """Serve until told to stop."""
    stop = threading.Event()
    asyncio.run(prepare(url))
    context: Any = ray.init(
        address="local",
        num_cpus=psutil.cpu_count(),
        include_dashboard=False,
        logging_level="warning",
        log_to_driver=False,
        namespace=NAMESPACE,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(ray_dir),
    )
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    deployment = serve.deployment(ray_actor_options={"num_cpus": 0}, max_ongoing_requests=200)(
        Naive
    )
    serve.run(deployment.bind(url), route_prefix="/jobs")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    facts = {"event": "ready", "ray_address": context.address_info["address"], "pid": os.getpid()}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    stop.wait()
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
