"""How often a 95% interval of a score holds the true score, for subsets large and small.

Each data set has tasks that a simulated judge gets right, each with the chance of its subset. The
chances are drawn for each data set about the same mean; the true score is their mean over subsets.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
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
CHANCE = 0.7
SPREAD = 0.15
"""Half the range of the chances of subsets, where there are several."""


class Simulated(Benchmark):
    """The mean over subsets of one credit."""

    name: ClassVar[str] = "simulated"
    headline: ClassVar[str] = CREDIT

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        raise NotImplementedError("its units are drawn")

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        return {CREDIT: means[CREDIT].macro()}


def covered(layout: tuple[int, int], draw: random.Random) -> float:
    """How wide the interval of one data set is; less than 0 where it misses."""
    subsets, size = layout
    reach = SPREAD if subsets > 1 else 0.0
    chances = [CHANCE + reach * (2 * draw.random() - 1) for _ in range(subsets)]
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


def coverage(name: str, datasets: int) -> dict[str, Any]:
    """Over so many data sets of one kind."""
    draw = random.Random(name)
    widths = [covered(LAYOUTS[name], draw) for _ in range(datasets)]
    return {
        "subsets of tasks": name,
        "held": sum(width > 0 for width in widths) / datasets,
        "mean width": fmean(map(abs, widths)),
    }


def main() -> None:
    """Simulate every kind of data set."""
    given = parser(__doc__).parse_args()
    datasets = 20 if given.quick else 2000
    with ProcessPoolExecutor() as pool:
        rows = list(pool.map(partial(coverage, datasets=datasets), LAYOUTS))
    record(
        "coverage",
        "How often a 95% interval holds the true score",
        rows,
        given.out,
        **{"data sets each": datasets, "standard error": f"{(0.95 * 0.05 / datasets) ** 0.5:.4f}"},
    )


if __name__ == "__main__":
    main()
