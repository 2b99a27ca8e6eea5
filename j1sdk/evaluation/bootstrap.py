"""Scores with 95% intervals, from credits: a bootstrap over units, subset by subset.

Every replicate draws as many units from each subset as there are, with replacement. Its totals are
a product of two matrices, and the scores are then the benchmark's own arithmetic on arrays, so that
a thousand replicates cost little more than one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from j1sdk.component import Value
from j1sdk.errors import MissingExtraError
from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.credits import Means, Number
from j1sdk.evaluation.metrics import Rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES = 1000
SEED = 0


class Score(Value):
    """A named number of a benchmark, with the 95% interval of a percentile bootstrap."""

    name: str
    value: float
    low: float
    high: float
    n: int
    """Units that it is of: most often tasks."""

    @property
    def rate(self) -> Rate:
        """The score as a rate, for charts and tables."""
        low, high = min(self.low, self.value), max(self.high, self.value)
        return Rate(value=self.value, low=low, high=high)


def scores_of(
    benchmark: Benchmark, units: Sequence[Unit], replicates: int = REPLICATES, seed: int = SEED
) -> list[Score]:
    """The benchmark's scores of these units. Raises MissingExtraError."""
    found = benchmark.aggregate(resample(units, replicates, seed))
    sizes = sizes_of(benchmark, units)
    return [interval(name, values, sizes[name]) for name, values in found.items()]


def interval(name: str, values: Any, n: int) -> Score:
    """The first of the values, and between which ones 95% of the others lie."""
    low, high = numpy().nanpercentile(values[1:], [2.5, 97.5])
    return Score(name=name, value=float(values[0]), low=float(low), high=float(high), n=n)


def resample(units: Sequence[Unit], replicates: int, seed: int) -> dict[str, Means]:
    """Each credit's means: in the arrays, first those of the units themselves, then replicates.

    The draws depend on the seed and on how many units each subset has, so two runs over the same
    units in the same order are drawn alike, which is what pairs their replicates.
    """
    np, names = numpy(), list(dict.fromkeys(name for unit in units for name in unit.credits))
    random = np.random.default_rng(seed)
    means = {name: Means({}, {}) for name in names}
    for subset, members in strata(units).items():
        weights = np.vstack([np.ones(len(members)), drawn(random, len(members), replicates)])
        values, known = matrices(members, names)
        totals, counts = weights @ values, weights @ known
        for column, name in enumerate(names):
            if counts[0, column]:
                means[name].totals[subset] = totals[:, column]
                means[name].counts[subset] = _or_nan(counts[:, column])
    return {name: mean for name, mean in means.items() if mean.totals}


def drawn(random: Any, count: int, replicates: int) -> NDArray[Any]:
    """How often each of so many units is drawn in each replicate."""
    np = numpy()
    firsts = count * np.arange(replicates)[:, None]
    places = random.integers(count, size=(replicates, count)) + firsts
    times: NDArray[Any] = np.bincount(places.ravel(), minlength=replicates * count)
    return times.reshape(replicates, count)


def matrices(units: Sequence[Unit], names: Sequence[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The credits, a row per unit and a column per name, with 0 for None; and which are known."""
    np = numpy()
    found = [[unit.credits.get(name) for name in names] for unit in units]
    known = np.array([[credit is not None for credit in row] for row in found], dtype=float)
    return np.array([[credit or 0.0 for credit in row] for row in found]), known


def strata(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """The units of each subset, in the order they first appear."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.subset, []).append(unit)
    return found


def sizes_of(benchmark: Benchmark, units: Sequence[Unit]) -> dict[str, int]:
    """How many units each score is of.

    Scores are linear in the means, so a mark in one place of an array shows where it goes.
    """
    np, means = numpy(), resample(units, 0, SEED)
    places = [(name, subset) for name, mean in means.items() for subset in mean.totals]
    counts = {place: means[place[0]].counts[place[1]][0] for place in places}
    marks = dict(zip(places, np.eye(len(places)), strict=True))
    marked = {
        name: Means({one: marks[name, one] for one in mean.totals}, mean.counts)
        for name, mean in means.items()
    }
    return {name: _size(mark, counts) for name, mark in benchmark.aggregate(marked).items()}


def _size(mark: Number, counts: Mapping[tuple[str, str], float]) -> int:
    """The units of the subsets that a score's mark is in, by the credit that has most of them."""
    most: dict[str, float] = {}
    for weight, ((_, subset), count) in zip(mark, counts.items(), strict=True):
        if weight:
            most[subset] = max(most.get(subset, 0), count)
    return int(sum(most.values()))


def _or_nan(counts: NDArray[Any]) -> NDArray[Any]:
    """Counts to divide by: a replicate without any has no mean."""
    divisors: NDArray[Any] = numpy().where(counts, counts, float("nan"))
    return divisors


def numpy() -> Any:
    """The module; raises MissingExtraError."""
    try:
        import numpy as found
    except ImportError as error:
        raise MissingExtraError("numpy", "eval") from error
    return found
