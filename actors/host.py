"""Brings the service up on this machine and stays with it: ``python -m actors.host``.

Starts a local Ray (or joins ``SOTA_RAY_ADDRESS``), deploys the two Serve applications of
``serve_config.yaml``, and prints one JSON line when all answers::

    {"event": "ready", "url": ..., "dashboard": ..., "ray_address": ..., "pid": ...}

or ``{"event": "error", "problem": ..., "remedy": ...}`` and exit status 1. SIGTERM or SIGINT
ends it, and with it the local Ray; nothing is lost, the journal has it all.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import ray
import yaml
from pydantic import ValidationError
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

from actors import options, template
from actors.journal import ensure_journal
from actors.supervisor import ensure_supervisor
from orchestrator.config import Settings
from orchestrator.errors import JournalSealed
from orchestrator.secrets import SigningSecrets
from orchestrator.security.policy import OPEN_NOTICE, Unprotected, asks_for_keys

SERVE_CONFIG = Path(__file__).resolve().parent.parent / "serve_config.yaml"

STAND_DOWN_PATIENCE = 5.0  # seconds for the supervisor to answer, beyond the jobs' own time

CLUSTER_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Every finished job leaves a dead actor behind; a long history made heads grow by gigabytes.
    "RAY_maximum_gcs_destroyed_actor_cached_count": "1000",
    # Serve's proxy must not say 404 before it knows its routes.
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "actors.edge.middlewares",
    # Workers pull numpy in through Ray; one thread each is all they need.
    "OMP_NUM_THREADS": "1",
    # Ray has every worker step back (nice 15). Here only the job actors do, by themselves
    # (actors/job.py): they are many, and what serves them and the API must not wait for them.
    "RAY_worker_niceness": "0",
}


def main() -> int:
    """Run until told to stop; the exit status."""
    stop = threading.Event()
    _listen(stop)
    os.environ.update({k: os.environ.get(k, v) for k, v in CLUSTER_ENVIRONMENT.items()})
    settings = Settings()
    template.prepare(os.environ, settings)
    try:
        if not asks_for_keys(settings, configured=SigningSecrets().configured):
            logging.getLogger(__name__).warning(OPEN_NOTICE)
    except (Unprotected, ValidationError) as error:
        _say(event="error", problem=str(error), remedy="nothing was started")
        return 1
    try:
        facts = bring_up(settings)
    except Exception as error:
        logging.getLogger(__name__).exception("the service did not come up")
        cause = getattr(error, "cause", None) or error  # an actor's error, out of Ray's wrapping
        problem = f"{type(cause).__name__}: {cause}"
        _say(event="error", problem=problem, remedy=_remedy(settings, cause))
        ray.shutdown()
        return 1
    _listen(stop)  # again: Ray has put its own handlers in place, which end the process at once
    _say(event="ready", pid=os.getpid(), **facts)
    stop.wait()
    take_down(settings)
    return 0


def _listen(stop: threading.Event) -> None:
    """Have SIGTERM and SIGINT set *stop*."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def bring_up(settings: Settings) -> dict[str, Any]:
    """Start or join Ray, make the lasting actors, deploy the applications; where it all is."""
    context = _start_ray(settings)
    journal, _ = ensure_journal(settings), ensure_supervisor(settings)
    deploy(settings)
    ray.get(journal.call.remote("ping", (), {}))
    return {
        "url": settings.base_url,
        "dashboard": f"http://{context.dashboard_url}" if context.dashboard_url else None,
        "ray_address": context.address_info["address"],
    }


def deploy(settings: Settings) -> None:
    """Deploy ``serve_config.yaml`` with this machine's host and port; waits until it serves."""
    config = yaml.safe_load(SERVE_CONFIG.read_text())
    config["http_options"] |= {"host": settings.http_host, "port": settings.http_port}
    schema = ServeDeploySchema.model_validate(config)
    http = schema.http_options.model_dump(exclude_none=True)
    serve.start(
        proxy_location=schema.proxy_location,
        http_options=http,
        logging_config=schema.logging_config,
    )
    _get_global_client().deploy_apps(schema, _blocking=True)


def take_down(settings: Settings) -> None:
    """Stop serving. A joined Ray lives on, and its jobs in it; a local one is stopped with
    everything in it, when the jobs have recorded what they had in flight."""
    if settings.ray_address:
        serve.shutdown()
    else:
        _release_jobs(settings.handover_grace)
    ray.shutdown()


def _release_jobs(grace: float) -> None:
    """Let running jobs leave in good order; whatever goes wrong, they resume all the same."""
    try:
        supervisor = ray.get_actor(options.SUPERVISOR, namespace=options.NAMESPACE)
        left = ray.get(supervisor.stand_down.remote(grace), timeout=grace + STAND_DOWN_PATIENCE)
    except Exception:
        logging.getLogger(__name__).exception("the jobs could not be asked to leave")
    else:
        if left:
            logging.getLogger(__name__).warning("%d jobs left calls in flight behind", left)


def _start_ray(settings: Settings) -> Any:
    """Start a local Ray in a session directory of its own, or join a running one."""
    common = {"namespace": options.NAMESPACE, "log_to_driver": False, "logging_level": "warning"}
    if settings.ray_address:
        return ray.init(address=settings.ray_address, **common)
    return ray.init(
        address="local",
        num_cpus=settings.num_cpus,
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=settings.dashboard_port,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(session_directory(settings)),
        **common,
    )


def session_directory(settings: Settings) -> Path:
    """Ray's directory: as set, or a short one of this home's own (socket paths are short)."""
    if settings.ray_temp_dir != Path():
        return settings.ray_temp_dir.resolve()
    digest = hashlib.sha256(str(settings.home.resolve()).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"sota-{os.getuid()}-{digest}"


def _remedy(settings: Settings, cause: BaseException) -> str:
    if isinstance(cause, JournalSealed):
        return "set SOTA_ENCRYPTION_KEYS as it was when the journal was last written"
    return (
        f"run `sota doctor`; ports {settings.http_port} (SOTA_HTTP_PORT) and "
        f"{settings.dashboard_port} (SOTA_DASHBOARD_PORT) must be free"
    )


def _say(**fields: Any) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
