"""What a response is checked against, in the shapes that data sets have it.

    [{"criterion": "Says to see a doctor", "points": 5}]              HealthBench
    [{"title": "Doctor", "description": "Says to ...", "weight": 5}]  rubrics as rewards
    ["Says to see a doctor", "Is short"]                              all of one weight
    {"rubrics": [...]}                                                any of these under a key

Points below 0 are of faults: what a response should not do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from j1sdk.component import Value
from j1sdk.errors import Unparseable

TEXTS = ("criterion", "description", "text", "question", "title")
"""Where the text of a criterion stands; the first of these that is there."""
WEIGHTS = ("points", "weight", "score")
LISTS = ("rubrics", "rubric", "criteria")


class Criterion(Value):
    """One thing to check, to be answered by yes or no."""

    text: str = Field(min_length=1)
    """What to check, in words."""
    weight: float = Field(default=1.0, allow_inf_nan=False)
    """What a yes adds to the score; negative for a fault."""


def criteria_in(reference: str | None) -> tuple[Criterion, ...]:
    """The criteria of a task's reference; none where that is another text.

    Raises Unparseable for what is meant as a rubric and cannot be read.
    """
    if not reference or reference.lstrip()[:1] not in ("[", "{"):
        return ()
    try:
        described = json.loads(reference)
    except (ValueError, RecursionError):
        return ()
    if isinstance(described, Mapping):
        described = next((described[key] for key in LISTS if key in described), None)
    return tuple(map(_criterion, described)) if isinstance(described, list) else ()


def _criterion(described: Any) -> Criterion:
    if isinstance(described, str) and described.strip():
        return Criterion(text=described.strip())
    if isinstance(described, Mapping):
        text = next((described[key] for key in TEXTS if described.get(key)), None)
        weight = next((described[key] for key in WEIGHTS if key in described), 1.0)
        if isinstance(text, str) and isinstance(weight, int | float) and abs(weight) < float("inf"):
            return Criterion(text=text.strip(), weight=weight)
    raise Unparseable(f"the task's rubric has a criterion without a text: {str(described)[:80]}")


def weighted(criteria: Sequence[Criterion], met: Sequence[bool]) -> float:
    """The weights of what is met, as a share of all positive ones, from 0 to 1 (HealthBench).

    Raises Unparseable where nothing counts for a response.
    """
    best = sum(one.weight for one in criteria if one.weight > 0)
    if best <= 0:
        raise Unparseable("no criterion of the task's rubric has a positive weight")
    gained = sum(one.weight for one, yes in zip(criteria, met, strict=True) if yes)
    return min(max(gained / best, 0.0), 1.0)
