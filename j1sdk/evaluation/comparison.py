"""Two runs over the same tasks: by how much they differ, and whether chance explains it.

Both are resampled alike, task by task, so what makes a task hard or easy cancels: the interval of
the difference is narrower than those of the runs, and is the one to look at. McNemar's exact test
asks the same of the official score: of the tasks that brought one run more of it than the other,
do more favour one run than chance explains? (Where tasks earn parts, it is known as the sign test.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from j1sdk.component import Value
from j1sdk.errors import DataError, MissingExtraError
from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.bootstrap import (
    REPLICATES,
    SEED,
    Score,
    interval,
    resample,
    sizes_of,
    weights_of,
)
from j1sdk.evaluation.credits import CONSISTENT, STRICT, Credits, Means

FIRST, SECOND = "1", "2"
"""Before a credit's name, whose it is."""
ROUNDING = 1e-12


class Comparison(Value):
    """A second run less a first, on the tasks of both."""

    n: int
    """Tasks of both."""
    differences: tuple[Score, ...]
    """Second less first, for every score that both have, with 95% paired bootstrap intervals."""
    only_first: int | None
    """Tasks that brought the first run more of the official score; None where it is not known."""
    only_second: int | None
    p_value: float | None
    """Of McNemar's exact test, two-sided; None where the official score is not known."""

    def difference(self, name: str) -> Score | None:
        """The difference of a score, by its name."""
        return next((one for one in self.differences if one.name == name), None)


def compare(
    benchmark: Benchmark,
    first: Sequence[Unit],
    second: Sequence[Unit],
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> Comparison:
    """Compare two runs on their common tasks; raises DataError where there are none."""
    ours, theirs = common(first, second)
    before, after = map(benchmark.aggregate, resample_both(ours, theirs, replicates, seed))
    sizes = sizes_of(benchmark, ours)
    differences = [
        interval(name, after[name] - before[name], sizes[name], least=-1.0)
        for name in before
        if name in after
    ]
    gains = gained(benchmark, ours, theirs)
    only_first = only_second = p_value = None
    if gains is not None:
        only_first, only_second = sum(gain < 0 for gain in gains), sum(gain > 0 for gain in gains)
        p_value = mcnemar(only_first, only_second)
    return Comparison(
        n=len(ours),
        differences=tuple(differences),
        only_first=only_first,
        only_second=only_second,
        p_value=p_value,
    )


def resample_both(
    ours: Sequence[Unit], theirs: Sequence[Unit], replicates: int, seed: int
) -> tuple[dict[str, Means], dict[str, Means]]:
    """The means of both, of the same draws."""
    joint = [
        Unit(one.id, one.subset, {**_marked(FIRST, one.credits), **_marked(SECOND, other.credits)})
        for one, other in zip(ours, theirs, strict=True)
    ]
    means = resample(joint, replicates, seed)
    first, second = (
        {name[1:]: mean for name, mean in means.items() if name[0] == mark}
        for mark in (FIRST, SECOND)
    )
    return first, second


def _marked(mark: str, credits: Credits) -> Credits:
    return {mark + name: credit for name, credit in credits.items()}


def gained(
    benchmark: Benchmark, ours: Sequence[Unit], theirs: Sequence[Unit]
) -> list[float] | None:
    """How much more each task brought the second run of the official score, in any unit.

    None where the score is not known of both.
    """
    parts = weights_of(benchmark, ours), weights_of(benchmark, theirs)
    first, second = (one.get(benchmark.headline) for one in parts)
    if first is None or second is None:
        return None
    gains = (
        _earned(other, second) - _earned(one, first)
        for one, other in zip(ours, theirs, strict=True)
    )
    return [0.0 if abs(gain) < ROUNDING else gain for gain in gains]


def _earned(unit: Unit, weights: Mapping[tuple[str, str], float]) -> float:
    """What a unit's credits bring of a score."""
    return sum(
        weights.get((name, unit.subset), 0.0) * (credit or 0.0)
        for name, credit in unit.credits.items()
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
