"""The pairs that tell most, round by round, and what they add up to under Bradley-Terry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from math import ceil, exp
from typing import ClassVar

from pydantic import Field

from j1sdk.rankings import JudgePairs, Ranking, matches
from j1sdk.rankings.bradley_terry import Fit, fitted, prior

Pair = tuple[int, int]
Played = Mapping[Pair, float | None]

NEAR_THE_BEST = 0.7
"""A round has only pairs worth this share of its best: less is fewer rounds, chosen less well."""


class Adaptive(Ranking):
    """`budget` x n(n-1) judgments, at least 2(n-1), of the pairs that are expected to tell most.

    Rounds of disjoint pairs, both orders of each at once. A response's score is its mean
    probability to win against the others, under a Bradley-Terry fit to all that was read; a pair
    of which only one order could be read is left out. What a pair tells is its information in that
    fit (ASAP, arXiv 2004.05691, measures it otherwise), worth more the stronger the two may be:
    with few judgments to spend this is nearly a knockout, with many it sorts the whole.
    """

    name: ClassVar[str] = "adaptive"

    budget: float = Field(default=0.4, gt=0, le=1)
    """Share of round robin's judgments; 2(n-1), what a knockout costs, are spent anyway."""
    focus: float = Field(default=0.8, ge=0)
    """How much the best matter more than the others, when judgments are few; 0 is not at all."""
    rounds: int | None = Field(default=None, ge=1)
    """As few rounds as this, each with as many judgments at once: 2 keep a training step short,
    for a little less of the order."""

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        spend, focus = self._budgeted(count)
        played: dict[Pair, float | None] = {}
        fit, number = prior(count), 0
        while len(played) < spend:
            worth = _worth(fit, played, focus)
            pairs = self._next(worth, count, spend - len(played), number)
            number += 1
            played.update(zip(pairs, await matches(pairs, judge), strict=True))
            fit = fitted(_read(played), fit)
        return fit.scores({response for pair in _read(played) for response in pair})

    def opening(self, count: int) -> list[Pair]:
        spend, focus = self._budgeted(count)
        return self._next(_worth(prior(count), {}, focus), count, spend, 0) if count > 1 else []

    def _budgeted(self, count: int) -> tuple[int, float]:
        """How many pairs may be played, and how much more the best matter."""
        spend = max(count - 1, int(self.budget * count * (count - 1) / 2 + 1e-9))
        return spend, self.focus * (count - 1) / max(spend, 1)

    def _next(self, worth: Mapping[Pair, float], count: int, left: int, number: int) -> list[Pair]:
        """The pairs of a round, of which `left` are to be played in this and those to come."""
        if self.rounds is None:
            return _round(worth, left)
        room = ceil(left / max(self.rounds - number, 1))
        # the first round knows nothing, so it asks the same of each; later ones may ask a bit more
        return _planned(worth, count, room, each=ceil(2 * room / count) + bool(number))


def _worth(fit: Fit, played: Played, focus: float) -> dict[Pair, float]:
    """What each pair yet to be played is worth; only those of responses yet to play, if any."""
    everyone = range(len(fit.strengths))
    asked = [response for pair in played for response in pair]
    read = [response for pair in _read(played) for response in pair]
    # A response that fails to be read would else be asked about for ever: so little is known of it.
    each = [
        exp(focus * fit.hope(one) / 2) * (1 + read.count(one)) / (1 + asked.count(one))
        for one in everyone
    ]
    left = [pair for pair in combinations(everyone, 2) if pair not in played]
    fresh = [pair for pair in left if not set(pair) <= set(asked)]
    return {
        (one, other): fit.information(one, other) * each[one] * each[other]
        for one, other in fresh or left
    }


def _round(worth: Mapping[Pair, float], room: int) -> list[Pair]:
    """Disjoint pairs, the one worth most first."""
    enough = NEAR_THE_BEST * max(worth.values())
    chosen: list[Pair] = []
    busy: set[int] = set()
    # Rounded, so that equals are taken in order and not as floating point has it.
    for pair in sorted(worth, key=lambda pair: -round(worth[pair], 9)):
        if worth[pair] >= enough and busy.isdisjoint(pair) and len(chosen) < room:
            chosen.append(pair)
            busy.update(pair)
    return chosen


def _planned(worth: Mapping[Pair, float], count: int, room: int, each: int) -> list[Pair]:
    """The pairs worth most, none of a response more often than `each` unless too few are left."""
    order = sorted(worth, key=lambda pair: (-round(worth[pair], 9), _far(pair, count)))
    chosen: list[Pair] = []
    busy = Counter[int]()
    for pair in order:
        if len(chosen) < room and all(busy[one] < each for one in pair):
            chosen.append(pair)
            busy.update(pair)
    return chosen + [pair for pair in order if pair not in chosen][: room - len(chosen)]


def _far(pair: Pair, count: int) -> int:
    """Among equals, neighbours first and then those far apart: so a round leaves no islands."""
    apart = min(pair[1] - pair[0], count - pair[1] + pair[0])
    return 0 if apart == 1 else count - apart


def _read(played: Played) -> dict[Pair, float]:
    return {pair: won for pair, won in played.items() if won is not None}
