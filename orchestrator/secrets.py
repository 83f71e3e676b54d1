"""The secrets: read from the environment by the few processes that need them, and kept nowhere."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_NAMES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "SERPER_API_KEY",
    "WORDPRESS_APP_PASSWORD",
    "SOTA_SIGNING_SECRET",
    "SOTA_SIGNING_SECRET_PREVIOUS",
    "SOTA_CLIENT_KEY",
    "SOTA_WEBHOOK_SECRET",
    "SOTA_ENCRYPTION_KEYS",
)
"""Environment variables that hold secrets: blank in job actors, dropped by the other actors."""

SIGNING_NAMES = ("SOTA_SIGNING_SECRET", "SOTA_SIGNING_SECRET_PREVIOUS")
"""Those of them that clients' keys are made from: the gateways drop them, the Serve replicas
take them out of the environment and keep them to themselves."""

LEAST_SIGNING_SECRET = 32
"""Characters: 128 bits in hex, as long as the key of HMAC-SHA256 should be at least."""


class Secrets(BaseSettings):
    """The keys. Read by gateway actors, and by nothing else."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    anthropic_api_key: SecretStr = Field(
        default=SecretStr(""), description="key of the Anthropic API; none: see `SOTA_SANDBOX`"
    )
    serper_api_key: SecretStr = Field(default=SecretStr(""), description="key of the Serper API")
    wordpress_app_password: SecretStr = Field(
        default=SecretStr(""), description="application password of `WORDPRESS_USER`"
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("SOTA_WEBHOOK_SECRET", "webhook_secret"),
        description="master secret, 24 characters or more, that each client's webhook secret is "
        "derived from; none: a random one is kept in `SOTA_HOME`. A second one after a space also "
        "signs, so that it can be changed without a gap",
    )


class SigningSecrets(BaseSettings):
    """What clients' keys are made from. Read by the Serve replicas and by ``sota keys`` only."""

    model_config = SettingsConfigDict(
        env_prefix="SOTA_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    signing_secret: SecretStr = Field(
        default=SecretStr(""),
        description="clients' keys are derived from it: 32 characters or more, such as "
        "`openssl rand -hex 32` makes. Whoever has it can make every key; losing it ends them all",
    )
    signing_secret_previous: SecretStr = Field(
        default=SecretStr(""),
        description="the one before, while keys made from it are still in use",
    )

    @field_validator("signing_secret", "signing_secret_previous")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value()) < LEAST_SIGNING_SECRET:
            raise ValueError(
                f"shorter than {LEAST_SIGNING_SECRET} characters: make one with "
                "`openssl rand -hex 32`"
            )
        return secret

    @property
    def configured(self) -> bool:
        """True if there is a secret to make keys from."""
        return bool(self.signing_secret.get_secret_value())


class StorageKeys(BaseSettings):
    """The keys that seal the journal. Read by whoever opens it, and by nothing else."""

    model_config = SettingsConfigDict(env_prefix="SOTA_", frozen=True, extra="ignore")

    encryption_keys: SecretStr = Field(
        default=SecretStr(""),
        description="keys that seal what clients sent and what was written for them in the "
        "database: 32 bytes in base64 each, apart by commas; the first seals, each opens; none: "
        "it is kept in clear. `sota encryption new-key` makes one",
    )
