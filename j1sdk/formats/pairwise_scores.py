"""PaS: think, then score both responses (J1, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from j1sdk.formats.pairwise import PAIRWISE_MARKERS, Pairwise
from j1sdk.formats.probabilities import Choice, Probabilities, expected_level
from j1sdk.formats.ranges import ScoreRange
from j1sdk.formats.sections import Tag, read_parts, tag
from j1sdk.types import Scores

NAMES = ("score_A", "score_B")
SCORE_MARKERS = tuple(mark for name in NAMES for mark in tag(name))


class PairwiseScores(ScoreRange, Pairwise):
    """`<think>..</think> <score_A>7.5</score_A> <score_B>4</score_B>`; reads to (7.5, 4)."""

    name: ClassVar[str] = "pairwise-scores"
    markers: ClassVar[tuple[str, ...]] = (*PAIRWISE_MARKERS, *SCORE_MARKERS)

    @property
    def sections(self) -> tuple[Tag, ...]:
        return (*self.thinking_sections, *map(tag, NAMES))

    def instructions(self) -> str:
        return (
            f"After that, score both responses from {self.low:g} to {self.high:g}, with at most"
            " one decimal; higher is better. Give the scores and nothing else:"
            " <score_A>score of A</score_A> <score_B>score of B</score_B>"
        )

    @property
    def choices(self) -> Sequence[Choice]:
        return tuple(map(self.levels, NAMES))

    def expect(self, found: Sequence[Probabilities]) -> Scores:
        return tuple(map(expected_level, found))

    def parse(self, text: str) -> Scores:
        scores = read_parts(self.answer(text), [*map(self.score_part, NAMES)], self.lenient)
        return tuple(map(self.check_score, scores, NAMES))

    def write(self, scores: Scores, thought: str = "") -> str:
        pairs = zip(NAMES, scores, strict=True)
        return self.thought(thought) + "\n".join(self.write_score(score, n) for n, score in pairs)
