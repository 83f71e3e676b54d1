"""Settings: read once from the environment, frozen, passed down.

Our own settings have the prefix ``SOTA_``; the services' settings keep their usual names
(``ANTHROPIC_API_KEY``). Keys are *not* here: see :mod:`orchestrator.secrets`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orchestrator.tenants.tiers import RESERVED_WORDS, Tenancy, Tier

DAY_MS = 86_400_000

Price = tuple[float, float]

MODEL_PRICES: dict[str, Price] = {
    "claude-opus-4-8": (5.0, 25.0),  # pricing page, September 2026
    "claude-sonnet-5": (2.0, 10.0),  # its model page, October 2026: the price it began with stayed
    "claude-sonnet-4-6": (3.0, 15.0),  # pricing page, September 2026
    "claude-haiku-4-5": (1.0, 5.0),  # pricing page, September 2026
}
"""US dollars per million input and output tokens, by model: Anthropic's published prices
(platform.claude.com/docs/en/about-claude/pricing and …/models/MODEL/overview).
SOTA_MODEL_PRICES changes or adds some: ``{"claude-sonnet-5": [2, 10]}``."""


PRICES_LIKE = 'JSON like {"claude-sonnet-5": [2, 10]}, US dollars per million tokens in and out'


def _price(model: object, given: object) -> Price:
    numbers = given if isinstance(given, list | tuple) else []
    if len(numbers) != 2 or not all(
        type(n) in {int, float} and math.isfinite(n) and n >= 0 for n in numbers
    ):
        raise ValueError(f"the price of {model} is not two numbers of 0 or more: {PRICES_LIKE}")
    return float(numbers[0]), float(numbers[1])


class Settings(BaseSettings):
    """Everything that can be set, with its default and its meaning."""

    model_config = SettingsConfigDict(
        env_prefix="SOTA_", frozen=True, extra="ignore", populate_by_name=True
    )

    home: Path = Field(default=Path(".sota"), description="where the embedded database lives")
    database_url: str = Field(
        default="", description="sqlite+aiosqlite:///PATH or postgresql+asyncpg://…"
    )
    http_host: str = Field(default="127.0.0.1", description="address Ray Serve listens on")
    http_port: int = Field(default=8000, ge=1, le=65535, description="port of the service")
    cors_origins: tuple[str, ...] = Field(
        default=(),
        description="origins whose pages may call the service from a browser, as a JSON list "
        '(["https://app.example"], or ["*"]); none: browsers are refused',
    )
    max_header_bytes: int = Field(
        default=16_384, ge=1024, description="most bytes of a request's line and headers"
    )
    max_headers: int = Field(default=100, ge=10, description="most headers of a request")
    header_seconds: float = Field(
        default=10.0, gt=0, description="seconds for a request's headers to arrive"
    )
    body_seconds: float = Field(
        default=10.0, gt=0, description="seconds for a request's body to arrive"
    )
    streams_per_client: int = Field(
        default=10, ge=1, description="event streams one client may hold at once, per replica"
    )
    streams: int = Field(
        default=200,
        ge=1,
        description="event streams a replica holds at once; as many long polls beside them",
    )
    stream_seconds: float = Field(
        default=900.0,
        gt=0,
        description="seconds after which an event stream ends for its client to take it up again",
    )
    dashboard_port: int = Field(
        default=8265, ge=1, le=65535, description="port of Ray's dashboard, on 127.0.0.1"
    )
    auth: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="who may ask: on: signed requests and bearer keys only; auto: the same, but on "
        "loopback everyone while SOTA_SIGNING_SECRET is not set; off: everyone, on loopback only",
    )
    audit_days: float = Field(
        default=365.0,
        ge=0,
        le=36_500,
        allow_inf_nan=False,
        description="days the audit log (who did what) and revoked keys are kept; 0: for ever",
    )
    sandbox_port: int = Field(default=8700, ge=1, le=65535, description="port of the sandbox")
    sandbox: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="auto: sandbox services when no Anthropic key is set; or on, off",
    )
    sandbox_profile: Literal["zero", "seed", "live"] = Field(
        default="live",
        description="how long the sandbox's calls take: live (like the real services), seed (the "
        "specification's step times) or zero",
    )
    sandbox_time_scale: float = Field(
        default=1.0, ge=0.0, le=10.0, description="factor on the sandbox's times, 0 to 10"
    )
    sandbox_flaws: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="share of an article's sections that the sandbox drafts with flaws, 0 to 1, "
        "for the steps that repair; if not set, none but in the profile seed",
    )
    ray_temp_dir: Path = Field(
        default=Path(), description="Ray's session directory; short, for socket paths"
    )
    ray_address: str = Field(default="", description="join this cluster instead of starting one")
    num_cpus: int | None = Field(default=None, ge=1, description="CPUs Ray may use, if not all")

    default_model: str = Field(
        default="claude-sonnet-5", description="model of a request that names none"
    )
    fallback_model: str = Field(
        default="claude-haiku-4-5",
        description="lower-cost model: near the job's budget, or where the breaker of the other is "
        "open",
    )
    allowed_models: tuple[str, ...] = Field(
        default=tuple(MODEL_PRICES), description="models a request may name, as a JSON list"
    )
    model_prices: Annotated[dict[str, Price], NoDecode] = Field(
        default_factory=lambda: dict(MODEL_PRICES),
        description="US dollars per million input and output tokens where they differ from ours, "
        'as JSON: {"claude-sonnet-5": [2, 10]}',
    )
    job_budget_usd: float = Field(
        default=0.50, gt=0, description="most one job may cost, in US dollars"
    )

    job_timeout: float = Field(default=900.0, gt=0, description="seconds a whole job may take")
    calls_per_job: int = Field(
        default=8, ge=1, description="calls of a kind (model, search, page) in flight per job"
    )
    template: Literal["on", "off"] = Field(
        default="on",
        description="fork the processes of job actors from a warm one (Linux), or start each anew",
    )
    max_live_jobs: int = Field(
        default=0, ge=0, description="jobs running at once; 0: computed from free memory and CPU"
    )
    job_memory_mb: int = Field(
        default=0,
        ge=0,
        description="megabytes one running job is reckoned to need; 0: measured on each node",
    )
    min_jobs_per_core: int = Field(
        default=8,
        ge=1,
        description="at least so many jobs run for each core, however busy it is; no cap: beyond "
        "them the CPU that is free decides. Memory and SOTA_MAX_LIVE_JOBS bound them all the same",
    )
    hibernate_after: float = Field(
        default=30.0,
        gt=0,
        description="seconds: a job that only waits for longer gives up its process",
    )
    handover_grace: float = Field(
        default=10.0, ge=0, description="seconds for calls in flight when the service stops"
    )
    max_activations: int = Field(
        default=5,
        ge=1,
        description="processes that may take a job up in a row without recording anything; the "
        "next fails it as poisoned",
    )
    retention_days: float = Field(
        default=30.0,
        ge=0,
        le=36_500,
        allow_inf_nan=False,
        description="days an ended job is kept with all it holds; 0: for ever",
    )

    default_tier: Literal["", "free", "pro", "enterprise", "unlimited"] = Field(
        default="",
        description="tier of a client that `sota clients` does not know: free, pro, enterprise or "
        "unlimited; unset: unlimited",
    )
    reserved_words: int = Field(
        default=RESERVED_WORDS,
        ge=0,
        description="words an accepted job holds of its client's month until its article is there",
    )
    max_queued: int = Field(
        default=10_000,
        ge=0,
        description="jobs that may wait for admission, of all clients together; more are answered "
        "503; 0: no limit",
    )

    anthropic_base_url: str = Field(
        default="",
        validation_alias=AliasChoices("ANTHROPIC_BASE_URL", "anthropic_base_url"),
        description="address of the Anthropic API, if not its usual one",
    )
    serper_base_url: str = Field(
        default="https://google.serper.dev",
        validation_alias=AliasChoices("SERPER_BASE_URL", "serper_base_url"),
        description="address of the Serper API",
    )
    wordpress_base_url: str = Field(
        default="",
        validation_alias=AliasChoices("WORDPRESS_BASE_URL", "wordpress_base_url"),
        description="address of the WordPress site whose posts are read and written",
    )
    wordpress_user: str = Field(
        default="",
        validation_alias=AliasChoices("WORDPRESS_USER", "wordpress_user"),
        description="its user whose application password is used",
    )
    fetch_allow_hosts: tuple[str, ...] = Field(
        default=(),
        description="host:port pairs the guarded fetcher may reach although they are private "
        "(the sandbox's own pages); never set this for the open web",
    )
    fetch_only_allowed: bool = Field(
        default=False, description="fetch from fetch_allow_hosts only: set with the sandbox"
    )

    public_url: str = Field(
        default="",
        description="address clients reach the service at, if not that of SOTA_HTTP_HOST and "
        "SOTA_HTTP_PORT: the links in webhooks begin with it",
    )
    webhook_allow_hosts: tuple[str, ...] = Field(
        default=(),
        description="host:port pairs a callbackUrl may name although they are private, as a JSON "
        "list (a receiver on this machine, for trials); never set this for the open web",
    )
    outbox_time_scale: float = Field(
        default=1.0,
        ge=0.001,
        le=10.0,
        description="factor on the waits between deliveries and on their deadline; for trials",
    )

    @field_validator("model_prices", mode="before")
    @classmethod
    def _over_ours(cls, given: Any) -> dict[str, Price]:
        """Our prices with those given in their place."""
        try:
            table = json.loads(given or "{}") if isinstance(given, str) else given
        except ValueError:
            table = None
        if not isinstance(table, Mapping):
            raise ValueError(f"not a table of prices: write {PRICES_LIKE}")
        return {**MODEL_PRICES, **{str(name): _price(name, one) for name, one in table.items()}}

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        """The same place for every process, wherever it runs."""
        return home.resolve()

    @model_validator(mode="after")
    def _known_models(self) -> Settings:
        unknown = {self.default_model, self.fallback_model} - set(self.allowed_models)
        if unknown:
            raise ValueError(
                f"SOTA_ALLOWED_MODELS lacks {sorted(unknown)}: add them or change both"
            )
        unpriced = set(self.allowed_models) - set(self.model_prices)
        if unpriced:
            raise ValueError(f"SOTA_MODEL_PRICES lacks {sorted(unpriced)}: add their prices")
        return self

    def purge_before(self, now: int) -> int:
        """Jobs that ended before this time may be purged at *now* (both epoch milliseconds).

        0, before any job, when they are kept for ever.
        """
        return now - int(self.retention_days * DAY_MS) if self.retention_days else 0

    def audit_before(self, now: int) -> int:
        """Audit entries older than this may be purged at *now* (epoch milliseconds); 0: none."""
        return now - int(self.audit_days * DAY_MS) if self.audit_days else 0

    @property
    def tenancy(self) -> Tenancy:
        """What clients may have."""
        default = Tier(self.default_tier) if self.default_tier else Tier.UNLIMITED
        return Tenancy(default, self.reserved_words, self.max_queued)

    @property
    def database(self) -> str:
        """The database's URL: the setting, or a SQLite file in ``SOTA_HOME``."""
        path = (self.home / "journal.db").resolve()
        return self.database_url or f"sqlite+aiosqlite:///{path}"

    @property
    def base_url(self) -> str:
        """Where this machine's clients reach the service."""
        host = "127.0.0.1" if self.http_host in {"0.0.0.0", "::"} else self.http_host  # noqa: S104
        return f"http://{host}:{self.http_port}"

    @property
    def public_base_url(self) -> str:
        """Where links that leave the service lead, without a last slash."""
        return (self.public_url or self.base_url).rstrip("/")

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox answers."""
        return f"http://127.0.0.1:{self.sandbox_port}"
