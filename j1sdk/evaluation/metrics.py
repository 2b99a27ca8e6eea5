"""Accuracy, position consistency, ties and failures of a judge, with 95% intervals.

A failed judgment and a tie are never correct, and neither is a flip: a verdict flips where both
orders were read, both were strict, and they differ. So with every verdict read and none tied,

    accuracy(0,1) + accuracy(1,0) == 2 * position_consistent_accuracy + verdict_flip_rate

Where one order was judged several times, its verdict is that of the mean scores: for one-hot
scores, the majority vote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
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
Outcomes = dict[str, list[bool]]
"""Of one task, by the name of a rate: whether it held, each time that it could have."""
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
    base_rate: float | None = None
    """Accuracy of always naming the place that holds the preferred response more often: one half,
    where both orders are shown; None for a pointwise judge."""
    kappa: float | None = None
    """Cohen's kappa of verdicts and gold, by place: how far above chance they agree, up to 1. A tie
    or a failure agrees with nothing."""
    mean_samples: float = 1.0
    """Drawn for a judgment: by a vote, up to its n; by a cascade, 1 or, with a thought, 2."""
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


def measure(results: Iterable[JudgeResult], views: Views | None = None) -> Metrics:
    """The metrics of one judge's results; raises DataError where there is nothing to measure.

    With `views`, verdicts are counted on the pairs that these make of each result, while failures
    and tokens are those of the judgments that there were.
    """
    tally = Tally(views)
    for result in results:
        tally.add(result)
    return tally.metrics()


def by_subset(results: Iterable[JudgeResult], views: Views | None = None) -> dict[str, Metrics]:
    """The metrics of each subset, in the order they first appear."""
    tallies: dict[str, Tally] = {}
    for result in results:
        tallies.setdefault(result.task.subset or NO_SUBSET, Tally(views)).add(result)
    return {subset: tally.metrics() for subset, tally in tallies.items()}


class Tally:
    """Metrics of results that come one by one; none of them is kept."""

    def __init__(self, views: Views | None = None) -> None:
        self._views = views
        self._tasks = self._judgments = self._tokens = self._samples = 0
        self._arities: set[int] = set()
        self._statuses: Counter[str] = Counter()
        self._shares: dict[str, Share] = {}
        self._places: Counter[tuple[int, int | None]] = Counter()
        """Verdicts, by the place of the preferred response and the place named."""

    def add(self, result: JudgeResult) -> None:
        """Count a task's judgments."""
        self._tasks += 1
        self._judgments += len(result.judgments)
        self._tokens += sum(judgment.usage.completion_tokens for judgment in result.judgments)
        self._samples += sum(len(judgment.samples) or 1 for judgment in result.judgments)
        self._statuses.update(judgment.status.value for judgment in result.judgments)
        for name, outcomes in self._outcomes(result).items():
            self._shares.setdefault(name, Share()).add(outcomes)

    def _outcomes(self, result: JudgeResult) -> Outcomes:
        """What held of a task: it is one trial, however many pairs it has."""
        arities = {len(judgment.order) for judgment in result.judgments}
        self._arities |= arities
        found: Outcomes = {"invalid_rate": [not one.ok for one in result.judgments]}
        count = _pointwise if arities == {1} else _pairwise
        for view in [result] if self._views is None else self._views(result):
            for name, outcomes in count(view).items():
                found.setdefault(name, []).extend(outcomes)
            if count is _pairwise and view.task.contests:
                self._places.update(_places(pairs_of(view), view.task.preferred))
        return found

    def metrics(self) -> Metrics:
        """What was counted; raises DataError for nothing, or for two kinds of judgments.

        Where the engine failed on every judgment, no judge was measured, and no rate is known.
        """
        if not self._judgments:
            raise DataError("nothing to measure: there are no judgments")
        if len(self._arities) > 1:
            raise DataError("pointwise and pairwise judgments do not add up: measure them apart")
        unheard = self._statuses[JudgmentStatus.ENGINE_ERROR] == self._judgments
        shares = {} if unheard else self._shares
        rates = {name: rate for name, share in shares.items() if (rate := share.rate)}
        values = {name: rate.value for name, rate in rates.items()}
        orders = sorted(name for name in rates if name.startswith(BY_ORDER))
        base, kappa = _agreement({} if unheard else self._places, rates.get("accuracy"))
        return Metrics(
            n=self._tasks,
            accuracy=values.get("accuracy"),
            accuracy_by_order={name.removeprefix(BY_ORDER): values[name] for name in orders},
            position_consistent_accuracy=values.get("position_consistent_accuracy"),
            verdict_flip_rate=values.get("verdict_flip_rate"),
            tie_rate=values.get("tie_rate"),
            invalid_rate=values.get("invalid_rate"),
            statuses={status.value: self._statuses[status] for status in JudgmentStatus},
            mean_completion_tokens=self._tokens / self._judgments,
            base_rate=base,
            kappa=kappa.value if kappa else None,
            mean_samples=self._samples / self._judgments,
            intervals={
                name: (rate.low, rate.high)
                for name, rate in {**rates, "kappa": kappa}.items()
                if rate is not None
            },
        )


class Share:
    """How often something held of the times that it could have, over tasks."""

    def __init__(self) -> None:
        self.held = self.seen = self.tasks = 0

    def add(self, outcomes: Sequence[bool]) -> None:
        """Whether it held, each time that it could have in one task."""
        self.held += sum(outcomes)
        self.seen += len(outcomes)
        self.tasks += bool(outcomes)

    @property
    def rate(self) -> Rate | None:
        """The share that held, and its 95% Wilson interval; None where nothing could have.

        Tasks are independent of each other, the orders and repetitions of one task are not. So the
        interval is that of as many trials as there are tasks: for the two orders of a pair it would
        otherwise be too narrow by up to 1.4.
        """
        if not self.seen:
            return None
        whole, part = divmod(self.held * self.tasks, self.seen)
        low, high = _wilson(whole, self.tasks)[0], _wilson(whole + bool(part), self.tasks)[1]
        return Rate(value=self.held / self.seen, low=low, high=high)


def rate_of(tasks: Iterable[Sequence[bool]]) -> Rate | None:
    """The rate of something, from whether it held each time that it could have, by task."""
    share = Share()
    for outcomes in tasks:
        share.add(outcomes)
    return share.rate


@lru_cache(maxsize=4096)
def _wilson(successes: int, trials: int) -> tuple[float, float]:
    try:
        from scipy.stats import binomtest
    except ImportError as error:
        raise MissingExtraError("scipy", "eval") from error
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _pointwise(result: JudgeResult) -> Outcomes:
    pairs = _scored_pairs(result)
    correct = [winner(pair) == 0 for pair in pairs] if result.task.contests else []
    ties = [None not in pair and winner(pair) is None for pair in pairs]
    return {"accuracy": correct, "position_consistent_accuracy": correct, "tie_rate": ties}


def _scored_pairs(result: JudgeResult) -> list[tuple[float | None, float | None]]:
    """The scores of each preferred response and each other; of every pair without a gold label."""
    scores = result.scores
    pairs = result.task.contests or combinations(range(len(scores)), 2)
    return [(scores[one], scores[other]) for one, other in pairs]


def _pairwise(result: JudgeResult) -> Outcomes:
    pairs = pairs_of(result)
    marked = _marked(pairs, result.task.preferred if result.task.contests else None)
    orders = {order for pair in marked for order in pair}
    return {
        "accuracy": [right for pair in marked for right in pair.values()],
        **{_name(order): [pair[order] for pair in marked if order in pair] for order in orders},
        "position_consistent_accuracy": [all(pair.values()) for pair in marked if len(pair) > 1],
        "verdict_flip_rate": [_flips(pair) for pair in pairs if len(pair) > 1],
        "tie_rate": [_tied(seen) for pair in pairs for seen in pair.values()],
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


def _places(
    pairs: list[dict[Order, Judgment]], gold: int | None
) -> Iterator[tuple[int, int | None]]:
    """The place of the preferred response and the place named, for the pairs that show it."""
    for pair in pairs:
        for order, judgment in pair.items():
            if gold in order:
                said = judgment.verdict()
                yield order.index(gold), None if said is None else order.index(said)


def _agreement(
    places: Mapping[tuple[int, int | None], int], accuracy: Rate | None
) -> tuple[float | None, Rate | None]:
    """The base rate, and kappa with the interval that accuracy has, beside the same chance."""
    if not (total := sum(places.values())) or accuracy is None:
        return None, None
    gold, said = Counter[int | None](), Counter[int | None]()
    for (right, named), count in places.items():
        gold[right] += count
        said[named] += count
    base = max(gold.values()) / total
    chance = sum(gold[place] * said[place] for place in gold) / total**2
    if chance == 1:
        return base, None
    value, low, high = (
        (share - chance) / (1 - chance) for share in (accuracy.value, accuracy.low, accuracy.high)
    )
    return base, Rate(value=value, low=low, high=high)


def _name(order: Order) -> str:
    return BY_ORDER + ",".join(map(str, order))


def _flips(pair: dict[Order, Judgment]) -> bool:
    verdicts = {judgment.verdict() for judgment in pair.values()}
    return None not in verdicts and len(verdicts) > 1


def _tied(judgment: Judgment) -> bool:
    return judgment.ok and judgment.verdict() is None
