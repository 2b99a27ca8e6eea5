"""Single elimination: the winner of each match plays on."""

from __future__ import annotations

from statistics import fmean
from typing import ClassVar

from j1sdk.rankings import JudgePairs, Ranking, matches


class Knockout(Ranking):
    """2(n-1) judgments in log2(n) rounds; a response's score is its mean win over its matches.

    It finds the best and leaves the others in rough order: 1 for the winner, k/(k+1) for one that
    won k matches and lost the next. A draw counts half, and a match of which an order could not be
    read counts for nothing; after either, the one that has won more goes on, the earlier of
    equals. As in best-of-n by knockout (Pairwise RM, arXiv 2501.13007).
    """

    name: ClassVar[str] = "knockout"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        won: list[list[float]] = [[] for _ in range(count)]
        left = list(range(count))
        while len(left) > 1:
            bye = left[len(left) // 2 * 2 :]
            pairs = list(zip(left[::2], left[1::2], strict=False))
            results = await matches(pairs, judge)
            # The bye goes first, so that nobody gets two.
            played = zip(pairs, results, strict=True)
            left = bye + [_play(*pair, result, won) for pair, result in played]
        return tuple(fmean(values) if values else None for values in won)

    def opening(self, count: int) -> list[tuple[int, int]]:
        return list(zip(range(0, count, 2), range(1, count, 2), strict=False))


def _play(one: int, other: int, result: float | None, won: list[list[float]]) -> int:
    """Note the result; who goes on."""
    if result is not None:
        won[one].append(result)
        won[other].append(1 - result)
    if result is None or result == 0.5:
        return one if sum(won[one]) >= sum(won[other]) else other
    return one if result > 0.5 else other
