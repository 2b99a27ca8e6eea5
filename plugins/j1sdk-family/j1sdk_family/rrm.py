"""Format `rrm`, a verdict in a box, and ranking `elo`: many responses by pairs, as RRM does.

Reward Reasoning Models (arXiv 2505.14674, section 3) judge exactly two responses, without ties.
More are ranked by composition: by Elo over a round robin, or by j1sdk's `knockout`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from j1sdk import Ranking, Scores
from j1sdk.formats.pairwise import PAIRWISE_MARKERS, Pairwise, verdict_letter, verdict_scores
from j1sdk.formats.sections import Part, Tag, attempt_at, read_parts
from j1sdk.rankings import JudgePairs, matches

BOX = "\\boxed{assistant %s}"
VERDICT = re.compile(r"[Aa]ssistant ([AB])")
BOXED = Part(
    "box with the verdict",
    re.compile(r"\\boxed\{([^{}]*)\}"),
    attempt_at(r"\boxed"),
    lambda text: match[1] if (match := VERDICT.fullmatch(text)) else None,
)


class Rrm(Pairwise):
    r"""`<think>..</think> \boxed{assistant A}`; reads to (1, 0) or (0, 1)."""

    name: ClassVar[str] = "rrm"
    markers: ClassVar[tuple[str, ...]] = (*PAIRWISE_MARKERS, r"\boxed")

    @property
    def sections(self) -> tuple[Tag, ...]:
        return self.thinking_sections

    def adheres(self, text: str) -> bool:
        given = [BOXED.read(match[1].strip()) for match in BOXED.exact.finditer(text)]
        return super().adheres(text) and len(given) - given.count(None) == 1

    def instructions(self) -> str:
        return (
            f"After that, give your verdict and nothing else: {BOX % 'A'} if the response of"
            f" assistant A is better, {BOX % 'B'} if that of assistant B is. There are no ties."
        )

    def parse(self, text: str) -> Scores:
        (letter,) = read_parts(self.answer(text), [BOXED], self.lenient)
        return verdict_scores(letter)

    def write(self, scores: Scores, thought: str = "") -> str:
        return self.thought(thought) + BOX % verdict_letter(scores)


class Elo(Ranking):
    """All pairs in both orders, n(n-1) judgments; a score is the mean expected win by Elo ratings.

    The published ratings move with every match, so they depend on the order of the matches; here
    the matches of a period are rated together. A pair of which only one order could be read is
    left out. With every pair read, Elo ranks as `round-robin` does, and spaces the scores
    otherwise; more periods come near the Bradley-Terry fit of `adaptive`.
    """

    name: ClassVar[str] = "elo"
    k: float = Field(default=32.0, gt=0)
    """Points that one match moves at most; of many responses less, or a period would overshoot."""
    periods: int = Field(default=10, ge=1)
    """How often the matches are rated."""

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = list(combinations(range(count), 2))
        found = zip(pairs, await matches(pairs, judge), strict=True)
        won = {pair: result for pair, result in found if result is not None}
        points = [0.0] * count
        for _ in range(self.periods):
            points = self._rated(points, won)
        known = {response for pair in won for response in pair}
        return tuple(
            fmean(expected(points[one], points[other]) for other in known - {one})
            if one in known
            else None
            for one in range(count)
        )

    def _rated(self, points: Sequence[float], won: Mapping[tuple[int, int], float]) -> list[float]:
        """The ratings after a period in which all matches are played at once."""
        rated = list(points)
        for (one, other), result in won.items():
            surprise = min(self.k, 400 / len(points)) * (
                result - expected(points[one], points[other])
            )
            rated[one] += surprise
            rated[other] -= surprise
        return rated


def expected(own: float, other: float) -> float:
    """The probability to win that Elo's scale gives a difference in rating."""
    return float(1 / (1 + 10 ** ((other - own) / 400)))
