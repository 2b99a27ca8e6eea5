"""Which response is the better one, by its place in the file and by its length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from j1sdk.component import Value
from j1sdk.evaluation.metrics import NO_SUBSET, Rate, rate_of
from j1sdk_data.quality.rows import Row


class Lengths(Value):
    """Characters of the better and the worse responses of labelled pairs."""

    pairs: int
    longer: int
    """Pairs whose chosen response is the longer one."""
    shorter: int
    equal: int
    longer_share: Rate | None
    """Of the pairs whose lengths differ: the accuracy of a judge that prefers what is longer."""
    chosen: float
    """Mean number of characters."""
    rejected: float


class Balance(Value):
    """How the labels lie."""

    rows: int
    pairs: int
    """Rows of two responses and a label; only these are looked at below."""
    ties: int
    """Rows whose label says that no response is better."""
    first: int
    """Pairs whose chosen response is the first of the two as the file has them."""
    first_share: Rate | None
    """A half, where the label does not depend on the place."""
    named: bool
    """Whether it is always the first: files that say `chosen` and `rejected` have no places."""
    lengths: Lengths
    subsets: dict[str, Lengths]


def weigh(rows: Sequence[Row]) -> Balance:
    """Places and lengths. Raises MissingExtraError."""
    pairs = [row for row in rows if row.chosen is not None]
    first = sum(row.task.preferred == 0 for row in pairs)
    subsets: dict[str, list[Row]] = {}
    for row in pairs:
        subsets.setdefault(row.task.subset or NO_SUBSET, []).append(row)
    return Balance(
        rows=len(rows),
        pairs=len(pairs),
        ties=sum(row.task.tied for row in rows),
        first=first,
        first_share=rate_of([[True]] * first + [[False]] * (len(pairs) - first)),
        named=first == len(pairs),
        lengths=lengths(pairs),
        subsets={name: lengths(members) for name, members in subsets.items()},
    )


def lengths(pairs: Iterable[Row]) -> Lengths:
    """How long the two sides are."""
    sizes = [(len(row.chosen or ""), len(row.rejected or "")) for row in pairs]
    longer = sum(chosen > rejected for chosen, rejected in sizes)
    shorter = sum(chosen < rejected for chosen, rejected in sizes)
    return Lengths(
        pairs=len(sizes),
        longer=longer,
        shorter=shorter,
        equal=len(sizes) - longer - shorter,
        longer_share=rate_of([[True]] * longer + [[False]] * shorter),
        chosen=fmean(chosen for chosen, _ in sizes) if sizes else 0.0,
        rejected=fmean(rejected for _, rejected in sizes) if sizes else 0.0,
    )
