"""Format `reward-anything`: the judge goes by a principle that the user gives.

RewardAnything (arXiv 2506.03637): the principle is a sentence in plain language, the answer JSON
with a score from 1 to 5 for each response and their ranking. On two responses.
"""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from j1sdk import OutOfRange, Scores, Unparseable
from j1sdk.errors import explain
from j1sdk.formats.pairwise import PAIRWISE_MARKERS, Pairwise
from j1sdk.formats.ranges import ScoreRange
from j1sdk.formats.sections import Tag, attempt_at, trailing, unmasked

KEY = '"scores"'
BEGUN = re.compile(r'\{\s*"scores"')
ATTEMPT = attempt_at('"scores')
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
        read = read_json(self.answer(text), self.lenient)
        if not all(self.low <= score <= self.high for score in read.scores.values()):
            raise OutOfRange(f"a score is outside {self.low} to {self.high}")
        first, second = (read.scores[letter] for letter in read.best_to_worst)
        if first < second or len(set(read.best_to_worst)) < 2:
            raise Unparseable("the ranking is not that of the scores")
        return (float(read.scores["A"]), float(read.scores["B"]))

    def write(self, scores: Scores, thought: str = "") -> str:
        whole = range(self.low, self.high + 1)
        if len(scores) != 2 or not set(scores) <= {*map(float, whole)}:
            raise ValueError(f"{scores} are not two whole numbers from {self.low} to {self.high}")
        given = dict(zip("AB", map(int, scores), strict=True))
        ranked = sorted(given, key=lambda letter: -given[letter])
        return self.thought(thought) + json.dumps({"scores": given, "best_to_worst": ranked})


def read_json(text: str, lenient: bool) -> Answer:
    """The JSON that the text is, or with a lenient reading the last that it holds.

    Raises Unparseable, also for JSON that gives a key twice.
    """
    starts = [match.start() for match in BEGUN.finditer(text)] if lenient else [0]
    start = starts[-1] if starts else 0
    begin = len(text) - len(text[start:].lstrip())
    try:
        described, end = DECODER.raw_decode(text, begin)
        read = Answer.model_validate(described)
    except ValidationError as error:
        raise Unparseable(f"not the JSON asked for: {explain(error)[0][:200]}") from None
    except (ValueError, RecursionError) as error:
        raise Unparseable(f"not the JSON asked for: {str(error)[:200]}") from None
    rest = trailing(text[end:])
    if ATTEMPT.search(unmasked(rest)) if lenient else rest:
        raise Unparseable(f"something follows the JSON: {rest[:80]!r}")
    return read


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; raises ValueError where a key is there twice."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError(f"a key is given twice: {', '.join(key for key, _ in pairs)[:80]}")
    return dict(pairs)


DECODER = json.JSONDecoder(object_pairs_hook=once)
