"""Recorded judgments for tests of scoring: by hand, and drawn."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from j1sdk.judgments import Record
from j1sdk.types import JudgmentStatus

A_WINS, B_WINS, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)
Scores = tuple[float, ...] | None


def record(
    id: str, order: tuple[int, ...], scores: Scores, subset: str | None = None,
    preferred: int | tuple[int, ...] | None = 0,
) -> Record:  # fmt: skip
    """One judgment; without scores it could not be read."""
    status = JudgmentStatus.UNPARSEABLE if scores is None else JudgmentStatus.OK
    return Record(
        id=id, subset=subset, order=order, preferred=preferred, scores=scores, status=status
    )


def both(
    id: str, first: Scores, second: Scores, subset: str | None = None, preferred: int = 0
) -> list[Record]:
    """A pair judged in both orders; the second scores are as shown, swapped."""
    return [
        record(id, (0, 1), first, subset, preferred),
        record(id, (1, 0), second, subset, preferred),
    ]


def rated(
    id: str, ratings: Sequence[float | None], subset: str | None = None,
    preferred: int | tuple[int, ...] = 0,
) -> list[Record]:  # fmt: skip
    """Responses rated one by one."""
    return [
        record(id, (place,), None if rating is None else (rating,), subset, preferred)
        for place, rating in enumerate(ratings)
    ]


def drawn_pairs(
    sizes: Iterable[tuple[str, int]], seed: int, endings: Sequence[Scores] = (A_WINS, B_WINS)
) -> list[Record]:
    """So many pairs of each subset, each order ending at random."""
    draw = random.Random(seed)
    return [
        record
        for subset, count in sizes
        for number in range(count)
        for record in both(
            f"{subset}/{number}", draw.choice(endings), draw.choice(endings), subset,
            draw.randrange(2),
        )
    ]  # fmt: skip
