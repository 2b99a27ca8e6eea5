"""The majority of n judgments, drawn no further than the outcome is open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import ClassVar

from pydantic import Field

from j1sdk.scaling import Samples, Scaling, add_up, draw_all
from j1sdk.types import Judgment, Scores

Ballots = dict[float, Fraction]
"""Votes by candidate: a place among those shown, or, of one response alone, a score."""


class Vote(Scaling):
    """The verdict of most samples (self-consistency, arXiv 2203.11171).

    Of two or more responses, each sample votes for the one it scores highest, or a share for each
    of those it scores equally; the winner scores 1, winners that are level share it. Of one
    response alone, the score given most often counts. How clear the vote was is in `samples`.
    """

    name: ClassVar[str] = "vote"
    n: int = Field(default=8, ge=1)
    """Samples drawn at most."""
    early_stop: bool = False
    """Draw only until the rest cannot change the outcome. Exact: the scores are the full vote's."""

    @property
    def most(self) -> int:
        return self.n

    async def judge(self, samples: Samples) -> Judgment:
        drawn: list[Judgment] = []
        while step := self._step(drawn):
            drawn += await draw_all(samples, range(len(drawn), len(drawn) + step))
        return add_up(drawn, majority(drawn))

    def _step(self, drawn: Sequence[Judgment]) -> int:
        """The fewest further samples that could settle the vote, to be drawn at once.

        Drawn one at a time, no fewer would do: so the samples are as few, the waits far fewer.
        """
        left = self.n - len(drawn)
        if not self.early_stop:
            return left
        lead = _lead(_ballots(drawn))
        return 0 if lead > left else min(left, (left - lead) // 2 + 1)


def majority(drawn: Sequence[Judgment]) -> Scores | None:
    """The scores a vote comes to; None where no sample was read."""
    ballots = _ballots(drawn)
    if not ballots:
        return None
    most = max(ballots.values())
    winners = [one for one, votes in ballots.items() if votes == most]
    shown = next(len(sample.order) for sample in drawn if sample.ok)
    if shown == 1:
        return (sum(winners) / len(winners),)
    return tuple((place in winners) / len(winners) for place in range(shown))


def _ballots(drawn: Sequence[Judgment]) -> Ballots:
    ballots: Ballots = defaultdict(Fraction)
    for scores in (sample.scores for sample in drawn if sample.scores is not None):
        top = [place for place, score in enumerate(scores) if score == max(scores)]
        for candidate in scores if len(scores) == 1 else top:
            ballots[candidate] += Fraction(1, len(top))
    return ballots


def _lead(ballots: Ballots) -> Fraction:
    """By how many votes the first leads the second."""
    first, second = sorted([*ballots.values(), Fraction(), Fraction()], reverse=True)[:2]
    return first - second
