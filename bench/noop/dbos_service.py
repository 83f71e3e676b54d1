"""The DBOS Transact service: ``python -m bench.noop.dbos_service PORT DATABASE_URL``.

Eight ``@DBOS.step`` that do nothing in a ``@DBOS.workflow``, behind FastAPI and uvicorn in one
process, as its documentation shows it. DBOS is no dependency of ours: it must be importable.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

STATUSES = {"SUCCESS": "completed", "PENDING": "processing", "ENQUEUED": "queued"}


def workflow_of(dbos: Any, names: list[str]) -> Callable[[], int]:
    """A workflow with these steps, one after another."""

    def nothing() -> dict[str, int]:
        return {"attempt": 1}

    steps = [dbos.step(name=name)(nothing) for name in names]

    def job() -> int:
        return sum(step()["attempt"] for step in steps)

    workflow: Callable[[], int] = dbos.workflow(name="job")(job)
    return workflow


def application(dbos: Any, workflow: Callable[[], int]) -> FastAPI:
    """``POST /jobs`` and ``GET /jobs/ID``."""
    app = FastAPI()

    @app.post("/jobs", status_code=202)
    def submit() -> dict[str, Any]:
        return {"id": dbos.start_workflow(workflow).workflow_id}

    @app.get("/jobs/{job_id}")
    def status(job_id: str) -> dict[str, Any]:
        found = dbos.get_workflow_status(job_id)
        return {"status": STATUSES.get(found.status, found.status.lower())}

    return app


def main(port: int, url: str) -> None:
    """Serve until told to stop."""
    dbos = importlib.import_module("dbos").DBOS
    dbos(config={"name": "noop", "system_database_url": url, "log_level": "WARNING"})
    workflow = workflow_of(dbos, [f"step-{number}" for number in range(1, 9)])
    dbos.launch()
    app = application(dbos, workflow)
    sys.stdout.write(json.dumps({"event": "ready", "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
    dbos.destroy()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
