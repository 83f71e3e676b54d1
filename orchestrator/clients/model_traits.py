"""What each Claude model takes, where models differ.

From Anthropic's migration guides (platform.claude.com/docs: "API versions", "Migrating to Claude
Sonnet 5", "What's new in Claude Opus 5.5") as of November 2026:

- Sampling parameters are refused by models after 4.6, and by every model under API version
  2026-10-21, which the SDK sends. Models 4.5 and 4.6 take ``temperature`` under 2023-06-01.
- Models from Sonnet 5 and Opus 5 on think unless told otherwise. Thinking counts towards
  ``max_tokens``, is paid as output, and takes time our steps do not have, so it is turned off
  where the model allows that. Opus 5.5, Fable and Mythos always think, as much as they choose.
- Forcing a tool call is refused by the models that always think, and by the others while they
  think. Structured answers therefore use ``output_config.format``, which every model from 4.5 on
  takes, thinking or not.
- No model from 4.6 on lets the conversation end in the assistant's turn (prefill).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

SAMPLING_VERSION = "2023-06-01"
"""The API version under which models 4.5 and 4.6 take sampling parameters."""

_DATED = r"(-\d{8})?$"
_SAMPLING = re.compile(r"claude-(opus|sonnet|haiku)-4-[56]" + _DATED)
_THINKS_UNLESS_DISABLED = re.compile(r"claude-(sonnet-5|opus-5|haiku-5-5)" + _DATED)
_THINKS_BETWEEN_TOOLS = re.compile(r"claude-sonnet-5-5" + _DATED)


@dataclass(frozen=True, slots=True)
class Traits:
    """What to send to a model besides the conversation.

    :param sampling: the model takes ``temperature``.
    :param thinking: the ``thinking`` parameter that keeps it from thinking first, if one is
        needed and allowed.
    """

    sampling: bool = False
    thinking: dict[str, Any] = field(default_factory=dict)


def traits_of(model: str) -> Traits:
    """The traits of a model; an unknown one gets nothing that it might refuse."""
    if _SAMPLING.match(model):
        return Traits(sampling=True)
    if _THINKS_UNLESS_DISABLED.match(model):
        return Traits(thinking={"type": "disabled"})
    if _THINKS_BETWEEN_TOOLS.match(model):
        return Traits(thinking={"type": "between_tools"})
    return Traits()
