"""Every response against every other, in both orders."""

from __future__ import annotations

from itertools import permutations
from typing import ClassVar

from j1sdk.rankings import JudgePairs, Ranking, wins


class RoundRobin(Ranking):
    """n(n-1) judgments; a response's score is its mean win, so position bias cancels.

    A pair of which only one order could be read is left out: alone it would carry the bias.
    """

    name: ClassVar[str] = "round-robin"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = list(permutations(range(count), 2))
        judged = dict(zip(pairs, await judge(pairs), strict=True))
        both = [
            judgment
            for (first, second), judgment in judged.items()
            if judgment.ok and judged[second, first].ok
        ]
        won = [wins(both, response) for response in range(count)]
        return tuple(sum(values) / len(values) if values else None for values in won)
