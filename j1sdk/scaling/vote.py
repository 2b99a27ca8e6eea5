"""The majority of n judgments, drawn no further than the outcome is open."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from math import comb, exp, lgamma
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
    risk: float = Field(default=0.0, ge=0.0, lt=0.5)
    """Stop sooner: once the predicted chance that the full vote ends otherwise is at most this."""

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
        left, ballots = self.n - len(drawn), _ballots(drawn)
        if self.risk:
            return self._step_at_risk(ballots, left)
        if not self.early_stop:
            return left
        lead = _lead(ballots)
        return 0 if lead > left else min(left, (left - lead) // 2 + 1)

    def _step_at_risk(self, ballots: Ballots, left: int) -> int:
        """The fewest whose votes for the leader would make it as certain as is asked."""
        first = float(max(ballots.values(), default=0))
        others = float(sum(ballots.values())) - first

        def certain(further: int) -> bool:
            return chance_of_change(first + further, others, left - further) <= self.risk

        return bisect_left(range(left), True, key=certain)


def chance_of_change(first: float, others: float, left: int) -> float:
    """The chance that the leader of a vote does not lead when as many as are `left` have voted.

    Beta-binomial: what share votes for the leader is known from the votes that were cast, under a
    uniform prior. All other candidates count as one, so of several the chance is too high.
    """
    if first <= others:
        return float(left > 0)
    enough = int((others + left - first) // 2) + 1  # of the rest, for the leader to stay ahead
    shares = (beta_binomial(votes, left, first + 1, others + 1) for votes in range(max(enough, 0)))
    return min(sum(shares), 1.0)


def beta_binomial(successes: int, trials: int, alpha: float, beta: float) -> float:
    """The chance of so many successes, where that of one is Beta(alpha, beta)."""
    after = log_beta(alpha + successes, beta + trials - successes)
    return comb(trials, successes) * exp(after - log_beta(alpha, beta))


def log_beta(alpha: float, beta: float) -> float:
    return lgamma(alpha) + lgamma(beta) - lgamma(alpha + beta)


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
