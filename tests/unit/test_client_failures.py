"""From statuses and headers to our errors."""

import email.utils

import pytest

from orchestrator.clients.failures import error_for, is_transient, quotable, retry_after
from orchestrator.errors import Misconfigured, PermanentError, TransientError
from tests.unit.clients_helpers import NOW

STATUSES = {
    400: PermanentError,
    401: Misconfigured,
    402: PermanentError,
    403: Misconfigured,
    404: PermanentError,
    405: PermanentError,
    408: TransientError,
    409: PermanentError,
    413: PermanentError,
    422: PermanentError,
    429: TransientError,
    500: TransientError,
    502: TransientError,
    503: TransientError,
    504: TransientError,
    529: TransientError,
}


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_each_status_has_its_error(status, kind):
    error = error_for("ai", status, {}, now=NOW, setting="ANTHROPIC_API_KEY")
    assert type(error) is kind
    assert error.status == status
    assert is_transient(status) == (kind is TransientError)


def test_a_refused_key_names_the_setting():
    error = error_for("ai", 401, {}, now=NOW, setting="ANTHROPIC_API_KEY")
    assert str(error) == "ai: ANTHROPIC_API_KEY is refused (401): set a valid key"


RETRY_AFTER = [
    ({}, None),
    ({"retry-after": "7"}, 7.0),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "1.5"}, 1.5),
    ({"retry-after": "-3"}, 0.0),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
    ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
    ({"retry-after": email.utils.formatdate(NOW + 42, usegmt=True)}, 42.0),
    ({"retry-after": email.utils.formatdate(NOW - 42, usegmt=True)}, 0.0),
    ({"retry-after": "next Tuesday"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "nan"}, None),
    ({"retry-after": ""}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), RETRY_AFTER)
def test_every_form_of_retry_after_is_read(headers, seconds):
    assert retry_after(headers, NOW) == seconds
    error = error_for("web", 503, headers, now=NOW, setting="X")
    assert isinstance(error, TransientError)
    assert error.retry_after == seconds


def test_a_service_is_quoted_only_where_it_does_not_quote_us():
    prompt = "Write about the purple elephant\nof Cordoba"
    assert quotable("max_tokens:  too\nlarge", [prompt, ""]) == "max_tokens: too large"
    assert quotable("bad input: 'the purple  elephant of Cordoba'", [prompt]) == ""
    assert quotable("no such key: abc", ["abc"]) == ""
    assert len(quotable("x " * 900, [prompt])) == 200
