"""What is there twice: prompts, pairs, pairs with the opposite label, and near copies of prompts.

Near copies are found by MinHash with banding (Broder 1997; Leskovec, Rajaraman and Ullman, Mining
of Massive Datasets, chapter 3) and then measured: what is told has at least the Jaccard similarity
asked for, in the prompts' character n-grams. What can go wrong is that a pair is missed; of those
just at the default threshold, one in ten thousand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from j1sdk.component import Value
from j1sdk_data.quality.ngrams import character_grams, mix, normal, numpy
from j1sdk_data.quality.rows import Row

if TYPE_CHECKING:
    from j1sdk_data.quality.ngrams import Hashes

BANDS, ROWS = 25, 5
"""Two prompts of similarity s share a bucket with probability 1 - (1 - s**ROWS)**BANDS."""
HEADS = 10
"""In a bucket, a prompt is compared with so many others that are not like each other."""
GRAM = 5
"""Characters."""
EXAMPLES = 5

Step = Callable[[int, int], None]


class Copies(Value):
    """Rows that repeat others."""

    groups: int
    """Contents that are there more than once."""
    rows: int
    """Rows that repeat one before them: as many as would go if each content were kept once."""
    examples: tuple[tuple[str, ...], ...] = ()
    """Some groups, by the names of their first rows."""


class Duplicates(Value):
    """What is there twice."""

    prompts: Copies
    """The same prompt, but for case and spacing. No fault where the responses differ."""
    near_prompts: Copies
    """Other prompts, of a similarity of `threshold` at least."""
    threshold: float
    pairs: Copies
    """The same prompt, chosen and rejected response."""
    contradictions: Copies
    """The same pair with both labels; `rows` counts the fewer of each group."""
    identical_responses: Copies
    """Pairs whose two responses are one text: the label means nothing."""


def find_duplicates(
    rows: Sequence[Row], threshold: float = 0.8, progress: Step = lambda done, total: None
) -> Duplicates:
    """What is there twice in the rows. Raises MissingExtraError."""
    pairs = [row for row in rows if row.chosen is not None]
    by_prompt = grouped((normal(row.prompt), row) for row in rows)
    by_pair = grouped(((row.prompt, row.chosen, row.rejected), row) for row in pairs)
    same = [(row,) for row in pairs if row.chosen == row.rejected]
    firsts = [group[0] for group in by_prompt.values()]
    alike = near_groups([normal(row.prompt) for row in firsts], threshold, progress)
    near = [[firsts[place] for place in group] for group in alike]
    return Duplicates(
        prompts=repeated(by_prompt.values()),
        near_prompts=repeated(near),
        threshold=threshold,
        pairs=repeated(by_pair.values()),
        contradictions=contradicted(pairs),
        identical_responses=Copies(groups=len(same), rows=len(same), examples=examples(same)),
    )


def grouped(named: Iterable[tuple[Hashable, Row]]) -> dict[Hashable, list[Row]]:
    """Rows by what they have in common, in the order of their first."""
    groups: dict[Hashable, list[Row]] = {}
    for key, row in named:
        groups.setdefault(key, []).append(row)
    return groups


def repeated(groups: Iterable[Sequence[Row]]) -> Copies:
    """What groups of copies come to; a group of one is none."""
    several = [group for group in groups if len(group) > 1]
    extra = sum(len(group) - 1 for group in several)
    return Copies(groups=len(several), rows=extra, examples=examples(several))


def contradicted(pairs: Sequence[Row]) -> Copies:
    """Pairs that are there with both labels."""
    sides = grouped(
        ((row.prompt, frozenset((row.chosen, row.rejected))), row)
        for row in pairs
        if row.chosen != row.rejected
    )
    both = [group for group in sides.values() if len({row.chosen for row in group}) > 1]
    fewer = [sum(row.chosen == group[0].chosen for row in group) for group in both]
    lost = sum(min(one, len(group) - one) for one, group in zip(fewer, both, strict=True))
    return Copies(groups=len(both), rows=lost, examples=examples(both))


def examples(groups: Sequence[Sequence[Row]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(row.name for row in group[:4]) for group in groups[:EXAMPLES])


def near_groups(
    texts: Sequence[str], threshold: float, progress: Step = lambda done, total: None
) -> list[list[int]]:
    """Places of texts that are like one another, or like one that is; groups of two at least."""
    grams = lru_cache(maxsize=10_000)(lambda place: character_grams(texts[place], GRAM))
    compared: dict[tuple[int, int], bool] = {}

    def alike(one: int, other: int) -> bool:
        key = min(one, other), max(one, other)
        if key not in compared:
            compared[key] = jaccard(grams(one), grams(other)) >= threshold
        return compared[key]

    for bucket in buckets([keys(grams(place)) for place in counted(len(texts), progress)]):
        heads: deque[int] = deque(maxlen=HEADS)
        for place in bucket:
            if not any(alike(place, head) for head in heads):
                heads.append(place)
    return joined(pair for pair, like in compared.items() if like)


def counted(total: int, progress: Step) -> Iterator[int]:
    """0, 1, ..., with progress told a hundred times."""
    for number in range(total):
        if number % (total // 100 + 1) == 0:
            progress(number, total)
        yield number
    progress(total, total)


def keys(grams: Hashes) -> Hashes:
    """The buckets of a text (BANDS,): MinHashes of its n-grams, ROWS of them to a key."""
    np = numpy()
    factors = mix(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64)) | np.uint64(1)
    lowest = np.full(len(factors), np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(grams), 4096):  # so that a book is no matter of gigabytes
        drawn = grams[start : start + 4096, None] * factors
        lowest = np.minimum(lowest, drawn.min(axis=0))
    weights = mix(np.arange(ROWS, dtype=np.uint64)) | np.uint64(1)
    return mix((mix(lowest).reshape(BANDS, ROWS) * weights).sum(axis=1, dtype=np.uint64))


def buckets(keyed: Sequence[Hashes]) -> Iterator[list[int]]:
    """Places of texts that share a key, for each band in turn."""
    np = numpy()
    for column in np.array(keyed, dtype=np.uint64).reshape(len(keyed), -1).T:
        order = np.argsort(column, kind="stable")
        edges = np.flatnonzero(np.diff(column[order])) + 1
        for bucket in np.split(order, edges):
            if len(bucket) > 1:
                yield bucket.tolist()


def jaccard(one: Hashes, other: Hashes) -> float:
    """The share of two sorted sets' members that is in both."""
    shared = len(numpy().intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def joined(links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The groups that links make, in order; each in order."""
    group_of: dict[int, list[int]] = {}
    for one, other in links:
        first, second = group_of.setdefault(one, [one]), group_of.setdefault(other, [other])
        if first is not second:
            first.extend(second)
            group_of.update((place, first) for place in second)
    distinct = {id(group): sorted(group) for group in group_of.values()}
    return sorted(distinct.values())
