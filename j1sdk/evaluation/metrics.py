"""Accuracy, position consistency, ties and failures of a judge, with 95% intervals.

A failed judgment and a tie are never correct, and neither is a flip: a verdict flips where both
orders were read, both were strict, and they differ. So with every verdict read and none tied,

    accuracy(0,1) + accuracy(1,0) == 2 * position_consistent_accuracy + verdict_flip_rate

Where one order was judged several times, its verdict is that of the mean scores: for one-hot
scores, the majority vote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, combinations, pairwise
from statistics import fmean
from typing import Self

from pydantic import model_validator

from j1sdk.component import Value
from j1sdk.errors import DataError, MissingExtraError
from j1sdk.types import JudgeResult, Judgment, JudgmentStatus, winner

BY_ORDER = "accuracy_by_order."
"""Before an order, the name of its accuracy: `accuracy_by_order.0,1`."""
NO_SUBSET = "no subset"
RATES = {
    "accuracy": "accuracy",
    "position_consistent_accuracy": "position-consistent accuracy",
    "verdict_flip_rate": "verdict flip rate",
    "tie_rate": "tie rate",
    "invalid_rate": "invalid rate",
}
"""What the rates of `Metrics` are called."""

Order = tuple[int, ...]
Outcomes = list[list[bool]]
"""Per task, whether something held each time it could have."""
Named = dict[str, Outcomes]
Views = Callable[[JudgeResult], Sequence[JudgeResult]]
"""Shows a result as the pairs that are to be measured."""


class Rate(Value):
    """A number, most often a share from 0 to 1, and its 95% interval."""

    value: float
    low: float
    high: float

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} is not between {self.low} and {self.high}")
        return self


class Metrics(Value):
    """What a judge's results add up to. A rate is None where nothing can be said."""

    n: int
    """Tasks."""
    accuracy: float | None
    """Share of verdicts that are correct, over both orders; pointwise: share of pairs."""
    accuracy_by_order: dict[str, float]
    """Accuracy of what was shown in the order `0,1`, and `1,0`; empty for a pointwise judge."""
    position_consistent_accuracy: float | None
    """Share of pairs correct in both orders; pointwise: the accuracy."""
    verdict_flip_rate: float | None
    """Share of pairs whose verdict changes with the order; None for a pointwise judge."""
    tie_rate: float | None
    """Share of verdicts that are ties; pointwise: share of pairs with equal scores."""
    invalid_rate: float | None
    """Share of judgments that have no score."""
    statuses: dict[str, int]
    """Judgments that ended so, for every status there is."""
    mean_completion_tokens: float
    intervals: dict[str, tuple[float, float]]
    """95% interval of every rate that is known, by its name; for an order, `BY_ORDER` + order."""

    def rate(self, name: str) -> Rate | None:
        """A rate with its interval, by its name in `intervals`; None where it is not known."""
        by_order = {BY_ORDER + order: value for order, value in self.accuracy_by_order.items()}
        value = {**dict(self), **by_order}[name]
        if value is None:
            return None
        low, high = self.intervals[name]
        return Rate(value=value, low=low, high=high)


def measure(results: Sequence[JudgeResult], views: Views | None = None) -> Metrics:
    """The metrics of one judge's results; raises DataError where there is nothing to measure.

    With `views`, verdicts are counted on the pairs that these make of each result, while failures
    and tokens are those of the judgments that there were.
    """
    judgments = [judgment for result in results for judgment in result.judgments]
    arities = {len(judgment.order) for judgment in judgments}
    if not arities:
        raise DataError("nothing to measure: there are no judgments")
    if len(arities) > 1:
        raise DataError("pointwise and pairwise judgments do not add up: measure them apart")
    count = _pointwise if arities == {1} else _pairwise
    seen_as = [[result] if views is None else list(views(result)) for result in results]
    outcomes = _by_task(count([view for seen in seen_as for view in seen]), seen_as)
    outcomes["invalid_rate"] = [[not one.ok for one in result.judgments] for result in results]
    rates = {name: rate for name, seen in outcomes.items() if (rate := rate_of(seen))}
    values = {name: rate.value for name, rate in rates.items()}
    orders = [name.removeprefix(BY_ORDER) for name in rates if name.startswith(BY_ORDER)]
    counts = Counter(judgment.status for judgment in judgments)
    return Metrics(
        n=len(results),
        accuracy=values.get("accuracy"),
        accuracy_by_order={order: values[BY_ORDER + order] for order in orders},
        position_consistent_accuracy=values.get("position_consistent_accuracy"),
        verdict_flip_rate=values.get("verdict_flip_rate"),
        tie_rate=values.get("tie_rate"),
        invalid_rate=values.get("invalid_rate"),
        statuses={status.value: counts[status] for status in JudgmentStatus},
        mean_completion_tokens=fmean(judgment.usage.completion_tokens for judgment in judgments),
        intervals={name: (rate.low, rate.high) for name, rate in rates.items()},
    )


def by_subset(results: Iterable[JudgeResult], views: Views | None = None) -> dict[str, Metrics]:
    """The metrics of each subset, in the order they first appear."""
    subsets: dict[str, list[JudgeResult]] = {}
    for result in results:
        subsets.setdefault(result.task.subset or NO_SUBSET, []).append(result)
    return {subset: measure(members, views) for subset, members in subsets.items()}


def rate_of(outcomes: Outcomes) -> Rate | None:
    """The share that held, and its 95% Wilson interval; None where nothing could have.

    Tasks are independent of each other, the orders and repetitions of one task are not. So the
    interval is that of as many trials as there are tasks: for the two orders of a pair it would
    otherwise be too narrow by up to 1.4.
    """
    trials = sum(map(bool, outcomes))
    held, seen = sum(map(sum, outcomes)), sum(map(len, outcomes))
    if not seen:
        return None
    fewest, most = held * trials // seen, -(-held * trials // seen)
    return Rate(value=held / seen, low=_wilson(fewest, trials)[0], high=_wilson(most, trials)[1])


@lru_cache(maxsize=4096)
def _wilson(successes: int, trials: int) -> tuple[float, float]:
    try:
        from scipy.stats import binomtest
    except ImportError as error:
        raise MissingExtraError("scipy", "eval") from error
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _by_task(outcomes: Named, views: Sequence[Sequence[JudgeResult]]) -> Named:
    """The outcomes of each task together: it is one trial, however many pairs it has."""
    ends = list(accumulate(map(len, views), initial=0))
    return {
        name: [[held for one in seen[start:end] for held in one] for start, end in pairwise(ends)]
        for name, seen in outcomes.items()
    }


def _pointwise(results: Sequence[JudgeResult]) -> Named:
    pairs = [_scored_pairs(result) for result in results]
    gold = [[] if result.task.preferred is None else _scored_pairs(result) for result in results]
    correct = [[winner(pair) == 0 for pair in task] for task in gold]
    ties = [[None not in pair and winner(pair) is None for pair in task] for task in pairs]
    return {"accuracy": correct, "position_consistent_accuracy": correct, "tie_rate": ties}


def _scored_pairs(result: JudgeResult) -> list[tuple[float | None, float | None]]:
    """The scores of the preferred response and each other; of every pair where none is known."""
    gold, scores = result.task.preferred, result.scores
    if gold is None:
        return list(combinations(scores, 2))
    return [(scores[gold], other) for place, other in enumerate(scores) if place != gold]


def _pairwise(results: Sequence[JudgeResult]) -> Named:
    tasks = [pairs_of(result) for result in results]
    marked = [
        _marked(pairs, result.task.preferred) for pairs, result in zip(tasks, results, strict=True)
    ]
    orders = sorted({order for pairs in marked for pair in pairs for order in pair})
    return {
        "accuracy": [[right for pair in pairs for right in pair.values()] for pairs in marked],
        **{_name(order): _in_order(marked, order) for order in orders},
        "position_consistent_accuracy": [
            [all(pair.values()) for pair in pairs if len(pair) > 1] for pairs in marked
        ],
        "verdict_flip_rate": [[_flips(pair) for pair in pairs if len(pair) > 1] for pairs in tasks],
        "tie_rate": [[_tied(seen) for pair in pairs for seen in pair.values()] for pairs in tasks],
    }


def pairs_of(result: JudgeResult) -> list[dict[Order, Judgment]]:
    """For every pair of responses that was shown, its judgment in each order."""
    by_order: dict[Order, list[Judgment]] = {}
    for judgment in result.judgments:
        by_order.setdefault(judgment.order, []).append(judgment)
    pairs: dict[frozenset[int], dict[Order, Judgment]] = {}
    for order, repeated in by_order.items():
        pairs.setdefault(frozenset(order), {})[order] = _voted(repeated)
    return list(pairs.values())


def _voted(repeated: Sequence[Judgment]) -> Judgment:
    """One judgment for several of one order, with the mean scores of those that were read."""
    read = [judgment for judgment in repeated if judgment.scores is not None]
    if len(read) < 2:
        return (read or repeated)[0]
    scores = zip(*(judgment.scores or () for judgment in read), strict=True)
    return read[0].model_copy(update={"scores": tuple(map(fmean, scores))})


def _marked(pairs: list[dict[Order, Judgment]], gold: int | None) -> list[dict[Order, bool]]:
    """Whether the verdict of each order is correct, for the pairs that show the gold response."""
    return [
        {order: judgment.verdict() == gold for order, judgment in pair.items()}
        for pair in pairs
        if any(gold in order for order in pair)
    ]


def _in_order(marked: list[list[dict[Order, bool]]], order: Order) -> Outcomes:
    return [[pair[order] for pair in pairs if order in pair] for pairs in marked]


def _name(order: Order) -> str:
    return BY_ORDER + ",".join(map(str, order))


def _flips(pair: dict[Order, Judgment]) -> bool:
    verdicts = {judgment.verdict() for judgment in pair.values()}
    return None not in verdicts and len(verdicts) > 1


def _tied(judgment: Judgment) -> bool:
    return judgment.ok and judgment.verdict() is None
