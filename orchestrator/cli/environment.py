"""Which environment variables our children get: what they need, and no more."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.config import Settings
from orchestrator.sandbox.environment import WEB_HOSTS, sandbox_environment
from orchestrator.secrets import SECRET_NAMES

# fmt: off
_NAMES = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE",
    "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "OMP_NUM_THREADS",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
})
# fmt: on
_PREFIXES = ("LC_", "SOTA_")
_SERVICES = ("ANTHROPIC_", "SERPER_", "WORDPRESS_")
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


def wants_sandbox(settings: Settings, environ: Mapping[str, str], said: bool | None) -> bool:
    """Whether the stand-ins serve, rather than the real services.

    :param said: ``--sandbox`` or ``--no-sandbox``, or None; it wins over SOTA_SANDBOX.
    """
    if said is not None:
        return said
    if settings.sandbox == "auto":
        return not has_key(environ)
    return settings.sandbox == "on"


def has_key(environ: Mapping[str, str]) -> bool:
    """True if there is a key for the language model."""
    return any(environ.get(name, "").strip() for name in _KEYS)


def for_host(settings: Settings, environ: Mapping[str, str], *, sandbox: bool) -> dict[str, str]:
    """The service's environment: the keys too, unless the sandbox stands in for everyone."""
    kept = _kept(environ, (*_PREFIXES, "RAY_", *(() if sandbox else _SERVICES)))
    kept.pop("SOTA_CLIENT_KEY", None)  # a client's: the service has no use for it
    stand_ins = sandbox_environment(settings.sandbox_port) if sandbox else {}
    return kept | stand_ins | _places(settings)


def for_sandbox(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The sandbox's environment: no key, since it needs none."""
    kept = _kept(environ, _PREFIXES) | _places(settings)
    return {k: v for k, v in kept.items() if k not in {*SECRET_NAMES, "SOTA_DATABASE_URL"}}


def _kept(environ: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    kept = {k: v for k, v in environ.items() if k in _NAMES or k.startswith(prefixes)}
    # Never through a proxy to this machine, whatever the proxies are for.
    given = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    local = ",".join(filter(None, (given, "localhost", "127.0.0.1", *WEB_HOSTS)))
    return kept | {"NO_PROXY": local, "no_proxy": local, "PYTHONUNBUFFERED": "1"}


def _places(settings: Settings) -> dict[str, str]:
    """Where things are, as decided here (a free port, say), for the child to read."""
    return {
        "SOTA_HOME": str(settings.home.resolve()),
        "SOTA_AUTH": settings.auth,
        "SOTA_HTTP_HOST": settings.http_host,
        "SOTA_HTTP_PORT": str(settings.http_port),
        "SOTA_DASHBOARD_PORT": str(settings.dashboard_port),
        "SOTA_SANDBOX_PORT": str(settings.sandbox_port),
    }


def sandbox_options(settings: Settings) -> list[str]:
    """The sandbox's command-line options for these settings."""
    options = [
        f"--port={settings.sandbox_port}",
        f"--profile={settings.sandbox_profile}",
        f"--time-scale={settings.sandbox_time_scale}",
    ]
    return (
        options
        if settings.sandbox_flaws is None
        else [
            *options,
            f"--flaws={settings.sandbox_flaws}",
        ]
    )
