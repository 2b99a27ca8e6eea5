"""Two runs over the same tasks: by how much they differ, and whether chance explains it.

Both are resampled alike, task by task, so what makes a task hard or easy cancels: the interval of
the difference is narrower than those of the runs, and is the one to look at. McNemar's exact test
asks the same of tasks got right: of those that one run alone got right, are more one run's than
chance explains?
"""

from __future__ import annotations

from collections.abc import Sequence

from j1sdk.component import Value
from j1sdk.errors import DataError, MissingExtraError
from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.bootstrap import REPLICATES, SEED, Score, interval, resample, sizes_of
from j1sdk.evaluation.credits import CONSISTENT, STRICT, Credits


class Comparison(Value):
    """A second run less a first, on the tasks of both."""

    n: int
    """Tasks of both."""
    differences: tuple[Score, ...]
    """Second less first, for every score that both have, with 95% paired bootstrap intervals."""
    only_first: int
    """Tasks that the first run alone got right: in both orders, where it was shown both."""
    only_second: int
    p_value: float
    """Of McNemar's exact test, two-sided."""

    def difference(self, name: str) -> Score | None:
        """The difference of a score, by its name."""
        return next((one for one in self.differences if one.name == name), None)


def compare(
    benchmark: Benchmark, first: Sequence[Unit], second: Sequence[Unit],
    replicates: int = REPLICATES, seed: int = SEED,
) -> Comparison:  # fmt: skip
    """Compare two runs on their common tasks; raises DataError where there are none."""
    ours, theirs = common(first, second)
    before = benchmark.aggregate(resample(ours, replicates, seed))
    after = benchmark.aggregate(resample(theirs, replicates, seed))
    sizes = sizes_of(benchmark, ours)
    differences = [
        interval(name, after[name] - before[name], sizes[name]) for name in before if name in after
    ]
    right = [[got_right(unit.credits) for unit in units] for units in (ours, theirs)]
    pairs = list(zip(*right, strict=True))
    only_first, only_second = pairs.count((True, False)), pairs.count((False, True))
    return Comparison(
        n=len(ours),
        differences=tuple(differences),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second),
    )


def common(first: Sequence[Unit], second: Sequence[Unit]) -> tuple[list[Unit], list[Unit]]:
    """The units that both have, in one order; raises DataError where there are none."""
    others = {(unit.subset, unit.id): unit for unit in second}
    ours = [unit for unit in first if (unit.subset, unit.id) in others]
    if not ours:
        raise DataError("the runs have no task in common: were they made on one benchmark?")
    return ours, [others[unit.subset, unit.id] for unit in ours]


def got_right(credits: Credits) -> bool:
    """Whether all that was shown was judged right, in every order."""
    consistent = credits.get(CONSISTENT)
    return (credits.get(STRICT) if consistent is None else consistent) == 1


def mcnemar(only_first: int, only_second: int) -> float:
    """The chance of a split at least as uneven, were both runs equally good."""
    if not only_first + only_second:
        return 1.0
    try:
        from scipy.stats import binomtest
    except ImportError as error:
        raise MissingExtraError("scipy", "eval") from error
    return float(binomtest(only_first, only_first + only_second).pvalue)
