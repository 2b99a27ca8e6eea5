"""What one pair earned under every convention in use, and how means of credits add up.

A pair's judgment in one order is *right*, *wrong*, *tied* or *failed*. What ties and failures are
worth differs between benchmarks and papers: nothing, half, or the pair is left out. So does what
two orders come to: their mean, both right (position-consistent), or more right than wrong (the sum
rule of JudgeBench). All are computed; a benchmark says which one is its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Any

from j1sdk.evaluation.metrics import pairs_of
from j1sdk.types import JudgeResult, Judgment, winner

Number = Any
"""A float; or a numpy array with a value per bootstrap replicate."""
Credits = dict[str, float | None]
"""What one task earned, from 0 to 1, by convention; None where a convention leaves it out."""

STRICT = "accuracy"
HALF = "accuracy, ties and failures 0.5"
DECIDED = "accuracy, ties and failures excluded"
CONSISTENT = "position-consistent accuracy"
SUM_RULE = "accuracy, sum rule"
AS_GIVEN, SWAPPED = "accuracy in order 0,1", "accuracy in order 1,0"


class Outcome(StrEnum):
    """How one order of a pair ended."""

    RIGHT = "right"
    WRONG = "wrong"
    TIED = "tied"
    FAILED = "failed"


HALVES = {Outcome.RIGHT: 1.0, Outcome.WRONG: 0.0, Outcome.TIED: 0.5, Outcome.FAILED: 0.5}
SIGNS = {Outcome.RIGHT: 1, Outcome.WRONG: -1, Outcome.TIED: 0, Outcome.FAILED: 0}


def outcomes(view: JudgeResult) -> dict[tuple[int, ...], Outcome]:
    """How each order of a two-response task ended; pointwise scores are one outcome, `()`."""
    gold = view.task.preferred
    if all(len(judgment.order) == 1 for judgment in view.judgments):
        read = None not in view.scores
        return {(): _outcome(winner(view.scores), gold) if read else Outcome.FAILED}
    (pair,) = pairs_of(view)
    return {order: _of_judgment(judgment, gold) for order, judgment in pair.items()}


def _of_judgment(judgment: Judgment, gold: int | None) -> Outcome:
    return _outcome(judgment.verdict(), gold) if judgment.ok else Outcome.FAILED


def _outcome(verdict: int | None, gold: int | None) -> Outcome:
    if verdict is None:
        return Outcome.TIED
    return Outcome.RIGHT if verdict == gold else Outcome.WRONG


def pair_credits(view: JudgeResult) -> Credits:
    """One pair's credit under every convention."""
    ended = outcomes(view)
    games = list(ended.values())
    right = [game is Outcome.RIGHT for game in games]
    decided = [game is Outcome.RIGHT for game in games if game in (Outcome.RIGHT, Outcome.WRONG)]
    both = len(games) > 1 or () in ended
    return {
        STRICT: fmean(right),
        HALF: fmean(HALVES[game] for game in games),
        DECIDED: fmean(decided) if decided else None,
        CONSISTENT: float(all(right)) if both else None,
        SUM_RULE: float(sum(SIGNS[game] for game in games) > 0),
        AS_GIVEN: float(ended[0, 1] is Outcome.RIGHT) if (0, 1) in ended else None,
        SWAPPED: float(ended[1, 0] is Outcome.RIGHT) if (1, 0) in ended else None,
    }


def mean_credits(several: Sequence[Credits]) -> Credits:
    """The mean of each credit over those that have it."""
    names = dict.fromkeys(name for credits in several for name in credits)
    known = {
        name: [found for credits in several if (found := credits.get(name)) is not None]
        for name in names
    }
    return {name: fmean(values) if values else None for name, values in known.items()}


@dataclass(frozen=True)
class Means:
    """One credit, summed over the tasks of each subset that have it.

    Numbers are floats, or arrays with a value per bootstrap replicate; whatever is built of them
    by arithmetic is then bootstrapped too.
    """

    totals: dict[str, Number]
    counts: dict[str, Number]

    def __contains__(self, subset: object) -> bool:
        return subset in self.totals

    def of(self, subset: str) -> Number:
        """The mean of one subset."""
        return self.totals[subset] / self.counts[subset]

    def micro(self, subsets: Iterable[str] | None = None) -> Number:
        """The mean over tasks, of these subsets or all that there are."""
        chosen = self._known(subsets)
        return sum(self.totals[one] for one in chosen) / sum(self.counts[one] for one in chosen)

    def macro(self, subsets: Iterable[str] | None = None) -> Number:
        """The mean over subsets, of these or all that there are."""
        chosen = self._known(subsets)
        return sum(self.of(one) for one in chosen) / len(chosen)

    def weighted(self, weights: Mapping[str, float]) -> Number:
        """The weighted mean over those of the subsets that there are."""
        chosen = self._known(weights)
        whole = sum(weights[one] for one in chosen)
        return sum(weights[one] * self.of(one) for one in chosen) / whole

    def _known(self, subsets: Iterable[str] | None) -> list[str]:
        return [one for one in (self.totals if subsets is None else subsets) if one in self.totals]
