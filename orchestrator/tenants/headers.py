"""What a client is told of its limits in the headers of an answer.

Two forms of the same, as clients in the field read either. The triple ``RateLimit-Limit``,
``RateLimit-Remaining``, ``RateLimit-Reset`` (seconds from now) of the drafts up to -06 of
"RateLimit header fields for HTTP" tells of the one limit that is nearest its end
(https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06). The fields
``RateLimit-Policy`` and ``RateLimit`` of the drafts from -08 on are lists that name every limit:
``q`` its number, ``w`` its window, ``r`` what is left, ``t`` the seconds until it resets
(https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-09).
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.tenants.quotas import Quota


def rate_limit_headers(
    quotas: Sequence[Quota], now: int, first: Quota | None = None
) -> dict[str, str]:
    """The headers for these quotas; none where nothing is limited.

    :param now: epoch ms.
    :param first: what the triple tells of, if not of the limit that is nearest its end.
    """
    if not quotas:
        return {}
    nearest = first or min(quotas, key=_nearness)
    return {
        "RateLimit-Limit": str(nearest.limit),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset_in(now)),
        "RateLimit-Policy": ", ".join(f'"{q.policy}";q={q.limit};w={q.seconds}' for q in quotas),
        "RateLimit": ", ".join(f'"{q.policy}";r={q.remaining};t={q.reset_in(now)}' for q in quotas),
    }


def _nearness(quota: Quota) -> tuple[float, int]:
    """Less for a quota of which less is left; of equals, for the one that resets later."""
    return (quota.remaining / quota.limit, -quota.resets_at)
