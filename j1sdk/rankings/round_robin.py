"""Every response against every other, in both orders."""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

from j1sdk.rankings import JudgePairs, Ranking, matches, mean_wins


class RoundRobin(Ranking):
    """n(n-1) judgments; a response's score is its mean win, so position bias cancels.

    A pair of which only one order could be read is left out: alone it would carry the bias.
    """

    name: ClassVar[str] = "round-robin"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = self.opening(count)
        return mean_wins(count, zip(pairs, await matches(pairs, judge), strict=True))

    def opening(self, count: int) -> list[tuple[int, int]]:
        return list(combinations(range(count), 2))
