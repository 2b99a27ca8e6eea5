"""PaVS: think, score both responses, then name the better one (J1, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from j1sdk.formats.pairwise import (
    PAIRWISE_MARKERS,
    VERDICTS,
    expected_verdict,
    verdict_letter,
    verdict_scores,
)
from j1sdk.formats.pairwise_scores import NAMES, SCORE_MARKERS, PairwiseScores
from j1sdk.formats.pairwise_verdict import VERDICT_MARKERS, PairwiseVerdict, verdict_part
from j1sdk.formats.probabilities import Choice, Probabilities
from j1sdk.formats.sections import Tag, read_parts, tag
from j1sdk.types import Scores


class PairwiseVerdictScores(PairwiseScores):
    """Scores, then a verdict. Only the verdict counts; the scores are asked for as evidence.

    The paper gives the scores no reward and reads the verdict alone, so this reads to (1, 0) or
    (0, 1) even where the scores say otherwise. They must be well-formed and in range.
    """

    name: ClassVar[str] = "pairwise-verdict-scores"
    markers: ClassVar[tuple[str, ...]] = (*PAIRWISE_MARKERS, *SCORE_MARKERS, *VERDICT_MARKERS)

    @property
    def score_range(self) -> tuple[float, float]:
        return (0.0, 1.0)

    @property
    def sections(self) -> tuple[Tag, ...]:
        return (*super().sections, tag("answer"))

    def instructions(self) -> str:
        return f"{super().instructions()}\n\n{PairwiseVerdict().instructions()}"

    @property
    def choices(self) -> Sequence[Choice]:
        return (VERDICTS,)

    def expect(self, found: Sequence[Probabilities]) -> Scores:
        return expected_verdict(found[0])

    def parse(self, text: str) -> Scores:
        parts = [*map(self.score_part, NAMES), verdict_part(self.lenient)]
        *scores, letter = read_parts(self.answer(text), parts, self.lenient)
        for score, name in zip(scores, NAMES, strict=True):
            self.check_score(score, name)
        return verdict_scores(letter)

    def write(self, scores: Scores, thought: str = "") -> str:
        letter = verdict_letter(scores)
        evidence = (self.high, self.low) if letter == "A" else (self.low, self.high)
        return f"{super().write(evidence, thought)}\n<answer>[[{letter}]]</answer>"
