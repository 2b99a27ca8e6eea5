"""A numeric score in a range: how it is asked for, read and written."""

from __future__ import annotations

import math
import re
from typing import Self

from pydantic import Field, model_validator

from j1sdk.errors import OutOfRange, Unparseable
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.probabilities import Choice
from j1sdk.formats.sections import Part, section, tag

NUMBER = re.compile(r"([-+]?[0-9]+(?:\.[0-9]+)?)(?:\s*/\s*([0-9]+(?:\.[0-9]+)?))?")


class ScoreRange(JudgmentFormat):
    """A format whose scores run from `low` to `high` in steps of 0.1."""

    low: float = Field(default=0.0, allow_inf_nan=False)
    """The lowest score a judge may give."""
    high: float = Field(default=10.0, allow_inf_nan=False)
    """The highest score a judge may give."""

    @property
    def score_range(self) -> tuple[float, float]:
        return (self.low, self.high)

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        if round(self.low, 1) != self.low or round(self.high, 1) != self.high:
            raise ValueError("low and high must be in steps of 0.1, as the scores are")
        return self

    def score_part(self, name: str) -> Part:
        """The section `<name>` with a number in it: 7.5, or 7.5/10 where 10 is the highest."""
        return section(name, self._number)

    def _number(self, text: str) -> float | None:
        match = NUMBER.fullmatch(text)
        if not match or (match[2] and float(match[2]) != self.high):
            return None
        return float(match[1])

    def levels(self, name: str) -> Choice:
        """The whole numbers that the section `<name>` can hold."""
        numbers = map(str, range(math.ceil(self.low), math.floor(self.high) + 1))
        return Choice(tag(name)[0], {f"{number}<": number for number in numbers})

    def check_score(self, score: float, name: str) -> float:
        """The score that `<name>` holds; raises Unparseable or OutOfRange if it cannot be."""
        if not self.low <= score <= self.high:
            raise OutOfRange(f"<{name}> is {score:g}, outside {self.low:g} to {self.high:g}")
        if round(score, 1) != score:
            raise Unparseable(f"<{name}> is {score}, with more than one decimal")
        return score

    def write_score(self, score: float, name: str) -> str:
        """The section `<name>` with this score; ValueError for one that it cannot hold."""
        if not self.low <= score <= self.high or round(score, 1) != score:
            raise ValueError(f"{score!r} is not in {self.low:g} to {self.high:g} in steps of 0.1")
        opening, closing = tag(name)
        return f"{opening}{score:.1f}{closing}".replace(".0<", "<")
