"""What a response is checked against, in the shapes that data sets have it.

    [{"criterion": "Says to see a doctor", "points": 5}]              HealthBench
    [{"title": "Doctor", "description": "Says to ...", "weight": 5}]  rubrics as rewards
    ["Says to see a doctor", "Is short"]                              all of one weight
    {"rubrics": [...]}                                                any of these under a key

Points below 0 are of faults: what a response should not do. A criterion with `"levels": 5` is
answered by a number from 0 to 5. `"met": [true, false]` is what is known of each response, as gold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import Field

from j1sdk.component import Value
from j1sdk.errors import ConfigError, OutOfRange, Unparseable

TEXTS = ("criterion", "description", "text", "question", "title")
"""Where the text of a criterion stands; the first of these that is there."""
WEIGHTS = ("points", "weight", "score")
YES_OR_NO = {"yes": 1, "no": 0}
LISTS = ("rubrics", "rubric", "criteria")


class Criterion(Value):
    """One thing to check, to be answered by yes or no, or by a level."""

    text: str = Field(min_length=1)
    """What to check, in words."""
    weight: float = Field(default=1.0, allow_inf_nan=False)
    """What a yes adds to the score; negative for a fault."""
    levels: int = Field(default=1, ge=1, le=100)
    """The highest level, from 0 on; 1 is yes or no. A level adds its share of the weight."""
    met: tuple[int | None, ...] = ()
    """The level known of each of the task's responses, as gold; never shown to the judge."""

    @property
    def question(self) -> str:
        """The text, and how it is to be answered where that is not by yes or no."""
        return self.text if self.levels == 1 else f"{self.text} (a number from 0 to {self.levels})"

    def level(self, said: str) -> int:
        """The level that an answer names; raises Unparseable, or OutOfRange."""
        if self.levels == 1 and said in YES_OR_NO:
            return YES_OR_NO[said]
        if self.levels == 1 or not said.isascii() or not said.isdigit():
            wanted = "yes or no" if self.levels == 1 else f"a number from 0 to {self.levels}"
            raise Unparseable(f"{said!r} stands where {wanted} is asked for")
        if int(said) > self.levels:
            raise OutOfRange(f"{said} stands where a number from 0 to {self.levels} is asked for")
        return int(said)


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
        known = described.get("met", ())
        given = {"weight": weight, "levels": described.get("levels", 1)}
        with suppress(ConfigError):
            return Criterion(
                text=text, met=known if isinstance(known, list | tuple) else (known,), **given
            )
    raise Unparseable(f"the task's rubric has a criterion that says too little: {described!s:.80}")


def weighted(criteria: Sequence[Criterion], met: Sequence[float]) -> float:
    """The weights of what is met, as a share of all positive ones, from 0 to 1 (HealthBench).

    Raises Unparseable where nothing counts for a response.
    """
    best = sum(one.weight for one in criteria if one.weight > 0)
    if best <= 0:
        raise Unparseable("no criterion of the task's rubric has a positive weight")
    gained = sum(one.weight * share for one, share in zip(criteria, met, strict=True))
    return min(max(gained / best, 0.0), 1.0)
