"""A numeric score in a range: how it is asked for, read and written."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from j1sdk.errors import OutOfRange, Unparseable
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.sections import only, readings, tag

NUMBER = r"([-+]?\d+(?:\.\d+)?)(?:\s*/\s*\d+)?"


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

    def read_score(self, answer: str, name: str, lenient: bool) -> float:
        """The number in the `<name>` section; raises Unparseable or OutOfRange."""
        numbers = [float(text) for text in readings(answer, name, NUMBER)]
        number = only(numbers, f"<{name}>", lenient)
        if not self.low <= number <= self.high:
            raise OutOfRange(f"<{name}> is {number:g}, outside {self.low:g} to {self.high:g}")
        if round(number, 1) != number:
            raise Unparseable(f"<{name}> is {number}, with more than one decimal")
        return number

    def write_score(self, score: float, name: str) -> str:
        """The inverse of `read_score`; ValueError for a score it would refuse."""
        if not self.low <= score <= self.high or round(score, 1) != score:
            raise ValueError(f"{score!r} is not in {self.low:g} to {self.high:g} in steps of 0.1")
        opening, closing = tag(name)
        return f"{opening}{score:.1f}{closing}".replace(".0<", "<")
