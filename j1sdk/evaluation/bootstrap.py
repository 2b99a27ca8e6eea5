"""Scores with 95% intervals, from credits: a bootstrap over units, subset by subset.

Every replicate draws units of each subset with replacement. Its scores are the benchmark's own
arithmetic on arrays, so that a thousand replicates cost little more than one. How far they are
spread makes the interval; `benchmarks/coverage.py` measures how often that holds the true score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from zlib import crc32

from j1sdk.component import Value
from j1sdk.errors import MissingExtraError
from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.credits import Means
from j1sdk.evaluation.metrics import Rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES = 1000
SEED = 0
Z = 1.959964
"""95% of a normal distribution are within so many standard deviations."""
TINY = 1e-20
"""A variance of rounding errors."""


class Score(Value):
    """A named number of a benchmark, with its 95% interval."""

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


def interval(name: str, values: Any, n: int, least: float = 0.0) -> Score:
    """The first of the values, and a 95% interval from how far the others are spread.

    It is Wilson's for as many trials as a share would need to be spread as far (the effective
    sample size of Korn and Graubard, 1998), of a score from `least` to 1. Where nothing is spread,
    because all units of a subset earned the same, it reaches as far as Wilson's does from n
    trials that all ended alike. Outside those limits it is the normal one.
    """
    value, variance = float(values[0]), float(numpy().nanvar(values[1:]))
    share, width = (value - least) / (1 - least), 1 - least
    if not 0 <= share <= 1:
        low, high = value - Z * variance**0.5, value + Z * variance**0.5
    elif 0 < share < 1 and variance > TINY:
        low, high = (least + width * end for end in _wilson(share, variance / width**2))
    else:
        reach = Z**2 / (n + Z**2)
        low, high = max(value - reach, least), min(value + reach, 1.0)
    return Score(name=name, value=value, low=low, high=high, n=n)


def _wilson(share: float, variance: float) -> tuple[float, float]:
    """The 95% interval of a share from 0 to 1 that has this variance."""
    trials = share * (1 - share) / variance
    middle = (share + Z**2 / (2 * trials)) / (1 + Z**2 / trials)
    reach = Z / (1 + Z**2 / trials) * (variance + Z**2 / (4 * trials**2)) ** 0.5
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def resample(units: Sequence[Unit], replicates: int, seed: int) -> dict[str, Means]:
    """Each credit's means: in the arrays, first those of the units themselves, then replicates.

    Units that earned the same credits are drawn together. The credits of one unit stay together
    too, where the same units of a subset have them, which is what pairs runs that are compared.
    """
    names = list(dict.fromkeys(name for unit in units for name in unit.credits))
    means = {name: Means({}, {}) for name in names}
    overall = {name: _known(units, name) for name in names}
    for place, (subset, members) in enumerate(strata(units).items()):
        for same in _alike(members, names).values():
            values = numpy().array(
                [[unit.credits[name] for name in same.names] for unit in same.units], dtype=float
            )
            random = numpy().random.default_rng((seed, place, same.mark))
            if len(same.units) > 1:
                drawn = _drawn_means(values, replicates, random)
            else:
                drawn = _drawn_single(
                    values, [overall[name] for name in same.names], replicates, random
                )
            for column, name in enumerate(same.names):
                means[name].counts[subset] = float(len(same.units))
                means[name].totals[subset] = len(same.units) * drawn[:, column]
    return {name: mean for name, mean in means.items() if mean.totals}


class Alike(NamedTuple):
    """Credits that the same units of a subset have."""

    names: list[str]
    units: list[Unit]
    mark: int
    """Of which units these are: the same in two runs of which the same units have them."""


def _alike(members: Sequence[Unit], names: Sequence[str]) -> dict[bytes, Alike]:
    found: dict[bytes, Alike] = {}
    for name in names:
        known = bytes(unit.credits.get(name) is not None for unit in members)
        if any(known):
            having = [unit for unit, has in zip(members, known, strict=True) if has]
            found.setdefault(known, Alike([], having, crc32(known))).names.append(name)
    return found


def _known(units: Sequence[Unit], name: str) -> NDArray[Any]:
    values = (unit.credits.get(name) for unit in units)
    return cast("NDArray[Any]", numpy().array([one for one in values if one is not None]))


def _drawn_means(values: NDArray[Any], replicates: int, random: Any) -> NDArray[Any]:
    """The means of the rows; then those of replicates, each of one row fewer, with replacement.

    As many as there are would be spread too little, by (n-1)/n: a quarter for 4, half for 2
    (McCarthy and Snowden, 1985).
    """
    np, count = numpy(), len(values)
    times = Counter(map(tuple, values.tolist()))
    shares = np.array(list(times.values())) / count
    weights = random.multinomial(count - 1, shares, size=replicates)
    rows = np.array(list(times))
    means: NDArray[Any] = np.vstack([values.mean(axis=0), weights @ rows / (count - 1)])
    return means


def _drawn_single(
    values: NDArray[Any], overall: Sequence[NDArray[Any]], replicates: int, random: Any
) -> NDArray[Any]:
    """A single unit's credits, and what units of any subset earned in its place.

    One unit does not say how far others of its subset are spread, so all others stand for them.
    """
    np, columns = numpy(), []
    places = random.random(replicates)
    for pool in overall:
        middle, wider = pool.mean(), (len(pool) / max(len(pool) - 1, 1)) ** 0.5
        drawn = pool[(places * len(pool)).astype(int)]
        columns.append(middle + wider * (drawn - middle))
    found: NDArray[Any] = np.vstack([values, np.column_stack(columns)])
    return found


def strata(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """The units of each subset, in the order they first appear."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.subset, []).append(unit)
    return found


def sizes_of(benchmark: Benchmark, units: Sequence[Unit]) -> dict[str, int]:
    """How many units each score is of: of every subset in it, by the credit that most have."""
    counts, sizes = counts_of(units), {}
    for score, weights in weights_of(benchmark, units).items():
        most: dict[str, int] = {}
        for name, subset in weights:
            most[subset] = max(most.get(subset, 0), counts[name, subset])
        sizes[score] = sum(most.values())
    return sizes


def counts_of(units: Sequence[Unit]) -> Counter[tuple[str, str]]:
    """How many units of a subset have a credit."""
    return Counter(
        (name, unit.subset)
        for unit in units
        for name, credit in unit.credits.items()
        if credit is not None
    )


def weights_of(
    benchmark: Benchmark, units: Sequence[Unit]
) -> dict[str, dict[tuple[str, str], float]]:
    """What each score is made of: how it grows with the total of a credit in a subset.

    Scores are linear in the means, so a mark in one place of an array shows where it goes.
    """
    counts = counts_of(units)
    marked: dict[str, Means] = {}
    for (name, subset), mark in zip(counts, numpy().eye(len(counts)), strict=True):
        mean = marked.setdefault(name, Means({}, {}))
        mean.totals[subset], mean.counts[subset] = mark, counts[name, subset]
    return {
        score: {place: float(one) for place, one in zip(counts, mark, strict=True) if one}
        for score, mark in benchmark.aggregate(marked).items()
    }


def numpy() -> Any:
    """The module; raises MissingExtraError."""
    try:
        import numpy as found
    except ImportError as error:
        raise MissingExtraError("numpy", "eval") from error
    return found
