"""Format `reward-anything`: the judge goes by a principle that the user gives.

RewardAnything (arXiv 2506.03637): the principle is a sentence in plain language, the answer JSON
with a score from 1 to 5 for each response and their ranking. On two responses.
"""

from __future__ import annotations

import json
import re
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from j1sdk import OutOfRange, Scores, Unparseable
from j1sdk.errors import explain
from j1sdk.formats.pairwise import PAIRWISE_MARKERS, Pairwise
from j1sdk.formats.ranges import ScoreRange
from j1sdk.formats.sections import Tag

KEY = '"scores"'
Letter = Literal["A", "B"]


class Answer(BaseModel):
    """What the judge is to write."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scores: dict[Letter, int] = Field(min_length=2)
    best_to_worst: list[Letter] = Field(min_length=2, max_length=2)


class RewardAnything(ScoreRange, Pairwise):
    """`<think>..</think> {"scores": {"A": 4, "B": 2}, "best_to_worst": ["A", "B"]}`."""

    name: ClassVar[str] = "reward-anything"
    markers: ClassVar[tuple[str, ...]] = (*PAIRWISE_MARKERS, KEY)
    principle: str = Field(min_length=1)
    """What makes a response better, in plain words."""
    low: int = 1
    """The lowest score a judge may give."""
    high: int = 5
    """The highest score a judge may give."""

    @property
    def sections(self) -> tuple[Tag, ...]:
        return self.thinking_sections

    def instructions(self) -> str:
        return (
            f"Judge by this principle, and by no other:\n{self.principle}\n\nAfter that, score both"
            f" responses from {self.low} to {self.high}, higher is better, and rank them. Give this"
            ' JSON and nothing else: {"scores": {"A": number, "B": number}, "best_to_worst":'
            " [two letters]}"
        )

    def adheres(self, text: str) -> bool:
        strict = self.model_copy(update={"lenient": False})
        try:
            strict.parse(text)
        except (Unparseable, OutOfRange):
            return False
        return super().adheres(text)

    def parse(self, text: str) -> Scores:
        answer = self.answer(text).strip()
        if self.lenient:
            answer = ([*re.findall(r'\{\s*"scores".*\}', answer)] or [""])[-1]
        try:
            read = Answer.model_validate_json(answer)
        except ValidationError as error:
            raise Unparseable(f"not the JSON asked for: {explain(error)[0][:200]}") from None
        scores = (float(read.scores["A"]), float(read.scores["B"]))
        if not all(self.low <= score <= self.high for score in scores):
            raise OutOfRange(f"the scores are {scores}, outside {self.low} to {self.high}")
        first, second = (scores["AB".index(letter)] for letter in read.best_to_worst)
        if first < second or len(set(read.best_to_worst)) < 2:
            raise Unparseable("the ranking is not that of the scores")
        return scores

    def write(self, scores: Scores, thought: str = "") -> str:
        whole = range(self.low, self.high + 1)
        if len(scores) != 2 or not set(scores) <= {*map(float, whole)}:
            raise ValueError(f"{scores} are not two whole numbers from {self.low} to {self.high}")
        given = dict(zip("AB", map(int, scores), strict=True))
        ranked = sorted(given, key=lambda letter: -given[letter])
        return self.thought(thought) + json.dumps({"scores": given, "best_to_worst": ranked})
