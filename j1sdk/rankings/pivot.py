"""Every response against one of them, the pivot."""

from __future__ import annotations

from typing import ClassVar, Literal

from j1sdk.rankings import JudgePairs, Ranking, matches, mean_wins


class Pivot(Ranking):
    """2(n-1) judgments, all at once; a response's score is its mean win over the pivot.

    It splits the responses and no more: above the pivot, level with it, below it. All above share
    a score, whichever is best. The pivot's own score is its mean win over the others; where it
    cannot be read, nothing can. BRPO (Writing-Zero, arXiv 2506.00103) ranks a policy's responses
    so, with one of the group for the pivot.
    """

    name: ClassVar[str] = "pivot"

    pivot: Literal["first", "last"] = "first"
    """Which response the others are compared with."""

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = self.opening(count)
        return mean_wins(count, zip(pairs, await matches(pairs, judge), strict=True))

    def opening(self, count: int) -> list[tuple[int, int]]:
        pivot = 0 if self.pivot == "first" else count - 1
        return [(response, pivot) for response in range(count) if response != pivot]
