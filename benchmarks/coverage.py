"""How often a 95% interval of a score holds the true score, for subsets large and small.

Each data set has tasks that a simulated judge gets right, each with the chance of its subset. The
chances are the same in every subset, or drawn for each data set about the same mean; the true score
is the mean chance over subsets.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any, ClassVar

from recording import parser, record

from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.bootstrap import scores_of
from j1sdk.evaluation.credits import Means, Number
from j1sdk.evaluation.rows import Row
from j1sdk.types import JudgmentTask

CREDIT = "right"
LAYOUTS = {"1 of 100": (1, 100), "20 of 10": (20, 10), "100 of 2": (100, 2), "60 of 1": (60, 1)}
CHANCES = (0.7, 0.9)
SPREAD = 0.15
"""Half the range of the chances of subsets, where they differ; less for chances near 1."""


class Simulated(Benchmark):
    """The mean over subsets of one credit."""

    name: ClassVar[str] = "simulated"
    headline: ClassVar[str] = CREDIT

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        raise NotImplementedError("its units are drawn")

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        return {CREDIT: means[CREDIT].macro()}


def covered(layout: tuple[int, int], chance: float, differ: bool, draw: random.Random) -> float:
    """How wide the interval of one data set is; less than 0 where it misses."""
    subsets, size = layout
    reach = min(SPREAD, 1 - chance) if differ else 0.0
    chances = [chance + reach * (2 * draw.random() - 1) for _ in range(subsets)]
    units = [
        Unit(f"{subset}/{number}", str(subset), {CREDIT: float(draw.random() < right)})
        for subset, right in enumerate(chances)
        for number in range(size)
    ]
    (score,) = scores_of(Simulated(), units, seed=draw.getrandbits(32))
    if not score.high > score.low:
        raise AssertionError(f"an interval of no width: {score}")
    width = score.high - score.low
    return width if score.low <= fmean(chances) <= score.high else -width


def coverage(name: str, chance: float, differ: bool, datasets: int) -> dict[str, Any]:
    """Over so many data sets of one kind."""
    draw = random.Random(f"{name} {chance} {differ}")
    widths = [covered(LAYOUTS[name], chance, differ, draw) for _ in range(datasets)]
    return {
        "subsets of tasks": name,
        "mean chance": chance,
        "chances differ": "yes" if differ else "no",
        "held": sum(width > 0 for width in widths) / datasets,
        "mean width": fmean(map(abs, widths)),
    }


def main() -> None:
    """Simulate every kind of data set."""
    given = parser(__doc__).parse_args()
    datasets = 20 if given.quick else 2000
    rows = [
        coverage(name, chance, differ, datasets)
        for name in LAYOUTS for chance in CHANCES for differ in (False, True)
        if not (differ and LAYOUTS[name][0] == 1)
    ]  # fmt: skip
    record(
        "coverage", "How often a 95% interval holds the true score", rows, given.out,
        **{"data sets each": datasets, "standard error": "0.005 at 2,000"},
    )  # fmt: skip


if __name__ == "__main__":
    main()
