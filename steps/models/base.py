"""What all models have in common, and the words their fields are made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

GapType = Literal["missing-topic", "outdated-data", "shallow-coverage", "missing-examples"]
Priority = Literal["high", "medium", "low"]
SectionKind = Literal["introduction", "takeaways", "body", "faq", "conclusion"]
Placement = Literal["intro", "body", "faq", "conclusion"]


class Data(BaseModel):
    """Base: camelCase on the wire, tolerant of extra fields from a model."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")
