"""Failures as a person at a terminal wants them: one line, and what to do about it."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from orchestrator.cli.text import clean
from orchestrator.client import ApiError, ServiceUnreachable
from orchestrator.config import Settings
from orchestrator.errors import OrchestratorError
from orchestrator.secrets import SigningSecrets

S = TypeVar("S", bound=BaseSettings)


class CliError(Exception):
    """A command cannot do what it was asked.

    :param problem: what is wrong.
    :param remedy: what to do about it; may be empty when the problem says so itself.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


EXPECTED = (CliError, OrchestratorError)
"""What commands raise on purpose; anything else is a bug and keeps its traceback."""


def in_lines(error: Exception) -> list[str]:
    """The problem, its details, and the remedy, a line each."""
    lines = [f"error: {clean(str(error))}"]
    if isinstance(error, ApiError):
        lines += [
            f"  {clean(str(e.get('field', '?')))}: {clean(str(e.get('problem', '')))}"
            for e in error.errors
        ]
    remedy = remedy_for(error)
    return [*lines, f"remedy: {remedy}"] if remedy else lines


def remedy_for(error: Exception) -> str:
    """What to do about *error*, or nothing if it says so itself."""
    if isinstance(error, CliError):
        return error.remedy
    if isinstance(error, ServiceUnreachable):
        return "start the service with `sota up`, or name another with --url or SOTA_URL"
    if isinstance(error, ApiError):
        return _API_REMEDIES.get(error.status, "")
    return ""


_API_REMEDIES = {
    401: "set SOTA_CLIENT_KEY (and SOTA_CLIENT_ID, for a signing key), as `sota keys create` "
    "printed them; the key may have been revoked, and the clock must be right",
    403: "use the key of the client it is about, or an administrator's",
    404: "list the jobs there are with `sota list`",
    429: "wait a while: this client is at its limit",
    500: "see the service's log, which has the error under this request's id",
    502: "is --url the orchestrator's address?",
    503: "the service is up but cannot work now; see `sota doctor`",
}


def settings_from_environment() -> Settings:
    """The settings. :raises CliError: naming the variable that cannot be used."""
    return _from_environment(Settings)


def signing_secrets_from_environment() -> SigningSecrets:
    """What clients' keys are made from. :raises CliError: as above; no value is ever shown."""
    return _from_environment(SigningSecrets)


def _from_environment(kind: type[S]) -> S:
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = str(first["loc"][0]) if first["loc"] else ""
        name = where if where.isupper() or not where else f"SOTA_{where.upper()}"
        problem = first["msg"].removeprefix("Value error, ")
        raise CliError(f"{name}: {problem}" if name else problem, "mend the environment") from None
    except SettingsError as error:
        raise CliError(str(error), "lists and tables are given as JSON") from None
