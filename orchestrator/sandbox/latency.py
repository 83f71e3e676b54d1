"""How long a call takes: a pure function of the profile, the step and the tokens written.

``zero``
    Nothing takes any time: for tests.
``seed``
    Calibrated to the specification: all of a step's calls, run one after another, take the
    step's time (table below), so overlap is the only way to be faster.
``live``
    Like the real services: the first token after about a second, then 70 tokens a second,
    with seeded jitter; a search 0.6 s, a page 0.3 s, WordPress 0.5 s.

The ``seed`` table. "Calls" is what the step usually makes; half of an AI call's share is
fixed and half follows its output tokens, at the tokens the sandbox's own writer usually
produces for it. Internal Links makes no external call, so its 30 s of the specification's
365 s do not occur and are charged to nobody: all the calls of a job add up to 335 s.

=================  ====  ============================================
step               time  calls
=================  ====  ============================================
semantic-keywords   30   3 ai
gap-analysis        45   1 serper (2 s), 5 web (5 s), 5 ai (38 s)
article-blueprint   20   2 ai
generating-article 120   11 ai (nine sections, two paragraphs that join)
auto-fix            30   5 ai (repairs of flawed sections)
references          60   4 serper (8 s), 13 web (42 s), 1 ai (10 s)
internal-links       0   none
quality-validation  30   4 ai (repairs of flawed sections)
=================  ====  ============================================

Steps 5 and 8 ask a model only about flawed sections, which is why this profile drafts some
(:mod:`orchestrator.sandbox.writer.flaws`).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Profile = Literal["zero", "seed", "live"]
PROFILES: tuple[str, ...] = get_args(Profile)

FIXED_SHARE = 0.5  #: of an AI call's time in the seed profile; the rest follows its tokens
TOKENS_PER_SECOND = 70.0  #: live profile
FIRST_TOKEN = 1.0  #: seconds, live profile
LIVE_SECONDS: Mapping[str, float] = {"serper": 0.6, "web": 0.3, "wordpress": 0.5}


@dataclass(frozen=True, slots=True)
class Share:
    """What one service's calls take of a step's time.

    :param seconds: of all its calls together.
    :param calls: how many the step usually makes.
    :param tokens: output tokens of all its calls together (AI only).
    """

    seconds: float
    calls: int
    tokens: int = 0

    def of_call(self, tokens: int) -> float:
        """Seconds one call takes that writes *tokens* output tokens."""
        if not self.tokens:
            return self.seconds / self.calls
        fixed = FIXED_SHARE * self.seconds / self.calls
        return fixed + (1 - FIXED_SHARE) * self.seconds * tokens / self.tokens


SEED: Mapping[str, Mapping[str, Share]] = {
    "semantic-keywords": {"ai": Share(30.0, 3, 700)},
    "gap-analysis": {
        "serper": Share(2.0, 1),
        "web": Share(5.0, 5),
        "ai": Share(38.0, 5, 2_100),
    },
    "article-blueprint": {"ai": Share(20.0, 2, 1_390)},
    "generating-article": {"ai": Share(120.0, 11, 3_500)},
    "auto-fix": {"ai": Share(30.0, 5, 3_000)},
    "references": {
        "serper": Share(8.0, 4),
        "web": Share(42.0, 13),
        "ai": Share(10.0, 1, 570),
    },
    "quality-validation": {"ai": Share(30.0, 4, 2_650)},
}
OTHERWISE: Mapping[str, Share] = {
    "ai": Share(10.0, 1, 600),
    "serper": Share(2.0, 1),
    "web": Share(1.0, 1),
    "wordpress": Share(1.0, 1),
}
"""Calls outside the table: publishing, or a step it does not know."""

TASK_STEPS: Mapping[str, str] = {
    "semantic_keywords": "semantic-keywords",
    "competitor_gaps": "gap-analysis",
    "blueprint_outline": "article-blueprint",
    "blueprint_head": "article-blueprint",
    "write_section": "generating-article",
    "join_section": "generating-article",
    "repair_section": "auto-fix",
    "choose_references": "references",
}


def step_of(key: str, task: str = "") -> str:
    """The step slug in an idempotency key ``job:step[:part]``, else the task's usual step."""
    parts = key.split(":")
    return parts[1] if len(parts) > 1 else TASK_STEPS.get(task, "")


def latency(profile: Profile, service: str, step: str, tokens: int = 0, seed: str = "") -> float:
    """Seconds a call takes.

    :param service: ``ai``, ``serper``, ``wordpress`` or ``web``.
    :param step: the step's slug (see :func:`step_of`).
    :param tokens: output tokens of an AI call.
    :param seed: makes the live profile's jitter, the same for the same call.
    """
    if profile == "zero":
        return 0.0
    if profile == "seed":
        share = SEED.get(step, {}).get(service) or OTHERWISE[service]
        return share.of_call(tokens)
    digest = hashlib.sha256(f"{service}|{step}|{seed}".encode()).digest()
    jitter = random.Random(digest).uniform(0.8, 1.3)  # noqa: S311 - chance, not secrecy
    if service == "ai":
        return FIRST_TOKEN * jitter + tokens / TOKENS_PER_SECOND
    return LIVE_SECONDS[service] * jitter
