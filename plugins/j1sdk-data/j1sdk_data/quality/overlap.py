"""Whether a benchmark is in the data: word n-grams they share.

A row overlaps where one of its texts has a run of n words that a benchmark's record has, letter
case and punctuation aside. GPT-3 was checked with runs of 13 (arXiv 2005.14165, appendix C). Texts
of fewer words are compared as a whole, prompts of the data with all texts of the benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j1sdk.component import Value
from j1sdk.data.containers import read_lines
from j1sdk.errors import DataError
from j1sdk_data.quality.ngrams import Vocabulary, numpy, words
from j1sdk_data.quality.rows import Row

if TYPE_CHECKING:
    from j1sdk_data.quality.ngrams import Hashes

EXAMPLES = 5
Step = Callable[[int, int], None]


class Shared(Value):
    """A row that has a run of words of a benchmark."""

    row: str
    words: str


class Overlap(Value):
    """What data and one benchmark share."""

    records: int
    """Of the benchmark."""
    found: int
    """Records of which a run of words is in the data."""
    rows: int
    """Rows of the data that have such a run."""
    examples: tuple[Shared, ...] = ()


def find_overlap(
    rows: Sequence[Row],
    benchmarks: Mapping[str, Path],
    n: int = 13,
    progress: Step = lambda done, total: None,
) -> dict[str, Overlap]:
    """What the rows share with each benchmark. Raises DataError, MissingExtraError."""
    vocabulary = Vocabulary()
    known = {name: Index(path, n, vocabulary) for name, path in benchmarks.items()}
    for number, row in enumerate(rows):
        texts = [(row.prompt, True), *((response, False) for response in row.task.responses)]
        grams = [(text, vocabulary.grams(text, n, whole)) for text, whole in texts]
        for index in known.values():
            index.look(row, grams)
        if number % 1000 == 0:
            progress(number, len(rows))
    progress(len(rows), len(rows))
    return {name: index.overlap() for name, index in known.items()}


class Index:
    """A benchmark's n-grams, and those of them that were found."""

    def __init__(self, path: Path, n: int, vocabulary: Vocabulary) -> None:
        np, self._n = numpy(), n
        self._records = [
            np.concatenate([vocabulary.grams(text, n, whole=True) for text in texts])
            for texts in map(list, map(strings, read_records(path)))
            if texts
        ]
        if not self._records:
            raise DataError(f"{path}: there is no text in this benchmark")
        self._known = np.unique(np.concatenate(self._records))
        self._found: list[Hashes] = []
        self._shared: list[Shared] = []

    def look(self, row: Row, texts: Sequence[tuple[str, Hashes]]) -> None:
        """Note what a row has of this benchmark; its texts come with their n-grams."""
        runs = []
        for text, grams in texts:
            if len(places := numpy().flatnonzero(within(self._known, grams))):
                self._found.append(grams[places])
                runs.append(words(text)[places[0] : places[0] + self._n])
        if runs:
            self._shared.append(Shared(row=row.name, words=" ".join(runs[0])))

    def overlap(self) -> Overlap:
        """What was found."""
        np = numpy()
        found = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *self._found]))
        return Overlap(
            records=len(self._records),
            found=sum(bool(within(found, grams).any()) for grams in self._records),
            rows=len(self._shared),
            examples=tuple(self._shared[:EXAMPLES]),
        )


def within(known: Hashes, grams: Hashes) -> Any:
    """Which of the n-grams are among the known ones, which are sorted; booleans (length,)."""
    np = numpy()
    if not len(known):
        return np.zeros(len(grams), dtype=bool)
    return known[np.searchsorted(known, grams).clip(max=len(known) - 1)] == grams


def read_records(path: Path) -> Iterator[Any]:
    """A benchmark's records: lines of JSON or of text, or the members of a JSON file's arrays."""
    try:
        if path.name.endswith((".jsonl", ".jsonl.gz")):
            yield from (record for _, record in read_lines(path))
        elif path.suffix == ".json":
            yield from members(json.loads(path.read_text(encoding="utf-8")))
        else:
            yield from path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no JSON, or no UTF-8: {error}") from error


def members(value: Any) -> Iterator[Any]:
    """The records in an array, or in the arrays of an object; an object without any is one."""
    value = value if isinstance(value, dict | list) else [value]
    if isinstance(value, list):
        yield from value
    elif arrays := [one for one in value.values() if isinstance(one, list)]:
        for array in arrays:
            yield from array
    else:
        yield value


def strings(value: Any) -> Iterator[str]:
    """All texts in a JSON value that have a word in them."""
    if isinstance(value, str):
        yield from [value] if words(value) else []
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)
