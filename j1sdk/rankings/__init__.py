"""How a pairwise judge scores n responses: which pairs to judge, and what they add up to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar

from j1sdk.component import Component
from j1sdk.lazy import lazy
from j1sdk.types import Judgment

if TYPE_CHECKING:
    from j1sdk.rankings.adaptive import Adaptive
    from j1sdk.rankings.knockout import Knockout
    from j1sdk.rankings.pivot import Pivot
    from j1sdk.rankings.round_robin import RoundRobin

__all__ = [
    "Adaptive",
    "JudgePairs",
    "Knockout",
    "Pivot",
    "Ranking",
    "RoundRobin",
    "mean_wins",
    "wins",
]
__getattr__ = lazy(__name__)

JudgePairs = Callable[[Sequence[tuple[int, int]]], Awaitable[Sequence[Judgment]]]
"""Judges ordered pairs of responses, by their indices, all at once."""


class Ranking(Component):
    """How a pairwise judge scores n responses."""

    kind: ClassVar[str] = "rankings"

    @abstractmethod
    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        """A score from 0 to 1 per response, in order; None where no judgment was read.

        A judgment that failed is missing, not a loss.
        """

    def opening(self, count: int) -> list[tuple[int, int]]:
        """The pairs that `rank` has judged in any case, each in both orders; none is a choice.

        Where responses arrive one by one, these are judged before the last is there.
        """
        return []


def wins(judgments: Sequence[Judgment], response: int) -> list[float]:
    """What each readable judgment of a response says: 1 for a win, 0.5 for a tie, 0 for a loss.

    Where a verdict is read as expected, its probability to win.
    """
    read = [judgment for judgment in judgments if judgment.ok and response in judgment.order]
    return [_won(judgment, response) for judgment in read]


def _won(judgment: Judgment, response: int) -> float:
    share = judgment.score_of(response)
    if len(judgment.probabilities) == 1 and share is not None:
        return share  # a verdict's: 1 or 0 as it was said, between them as expected
    verdict = judgment.verdict()
    return 0.5 if verdict is None else float(verdict == response)


def mean_wins(
    count: int, results: Iterable[tuple[tuple[int, int], float | None]]
) -> tuple[float | None, ...]:
    """Each response's mean over what `matches` found of its pairs; None where nothing was read."""
    won: list[list[float]] = [[] for _ in range(count)]
    for (first, second), result in results:
        if result is not None:
            won[first].append(result)
            won[second].append(1 - result)
    return tuple(fmean(values) if values else None for values in won)


async def matches(pairs: Sequence[tuple[int, int]], judge: JudgePairs) -> list[float | None]:
    """What the first of each pair won, from 0 to 1, each pair judged in both orders at once.

    None where either order could not be read: the other alone would carry the position bias.
    """
    judged = await judge([*pairs, *((second, first) for first, second in pairs)])
    both = zip(pairs, judged[: len(pairs)], judged[len(pairs) :], strict=True)
    return [
        fmean(wins((one, two), pair[0])) if one.ok and two.ok else None for pair, one, two in both
    ]
