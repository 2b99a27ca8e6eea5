"""What is to be known about preference pairs before a judge is trained on them.

    found = check([Path("pairs.jsonl")], {"LLMBar": Path("dataset.json")})
    found.duplicates.contradictions.rows    # pairs that are there with both labels
    found.overlap["LLMBar"].rows            # rows with a run of words of the benchmark
    found.cues.accuracy                     # of telling the label without reading

Nothing here is a judgment of single pairs: numbers say whether something is amiss, and examples
where to look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from j1sdk.component import Value
from j1sdk.data.shapes import FieldNames
from j1sdk.errors import DataError
from j1sdk_data.quality.balance import Balance, weigh
from j1sdk_data.quality.cues import Cues, find_cues
from j1sdk_data.quality.duplicates import Duplicates, find_duplicates
from j1sdk_data.quality.overlap import Overlap, find_overlap
from j1sdk_data.quality.rows import read_rows

Announce = Callable[[str], Callable[[int, int], None]]
"""Is told the title of what begins; gives what is told (done, in all)."""


class DataQuality(Value):
    """What `j1 data check` finds."""

    files: tuple[str, ...]
    balance: Balance
    duplicates: Duplicates
    overlap_words: int
    """Words that a row and a benchmark must share, one after the other."""
    overlap: dict[str, Overlap]
    """By benchmark."""
    cues: Cues


def check(
    paths: Sequence[Path],
    benchmarks: Mapping[str, Path] | None = None,
    words: int = 13,
    threshold: float = 0.8,
    seed: int = 0,
    announce: Announce = lambda title: lambda done, total: None,
    fields: FieldNames | None = None,
) -> DataQuality:
    """Look at files of tasks, taken together. Raises DataError, MissingExtraError.

    `threshold` is the similarity from which prompts count as nearly the same; `seed` decides the
    folds and the control of the regression; `fields` are those of the source `jsonl`.
    """
    rows = list(read_rows(paths, fields))
    if not rows:
        raise DataError(f"nothing to check: there are no tasks in {', '.join(map(str, paths))}")
    return DataQuality(
        files=tuple(map(str, paths)),
        balance=weigh(rows),
        duplicates=find_duplicates(rows, threshold, announce("Looking for copies")),
        overlap_words=words,
        overlap=find_overlap(rows, benchmarks, words, announce("Looking for benchmarks"))
        if benchmarks
        else {},
        cues=find_cues(rows, seed),
    )
