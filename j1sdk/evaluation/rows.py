"""Records of a benchmark's own files: read where they lie, complained about by place and field."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from j1sdk.data.containers import hub_records, is_saved, read_records
from j1sdk.errors import DataError

WORDS = re.compile(r"[^\W_]+")
SUFFIXES = (".json", ".jsonl", ".gz", ".zst", ".parquet")


class Row(NamedTuple):
    """One record and where it is. Every getter raises DataError naming place and field."""

    where: str
    values: dict[str, Any]

    @property
    def file(self) -> str:
        """The file that the record is in, or the split of a data set."""
        return self.where.rpartition(", ")[0]

    def text(self, field: str) -> str:
        """A string."""
        return str(self._of(field, str, "a string"))

    def whole(self, field: str) -> int:
        """A whole number."""
        return int(self._of(field, int, "a whole number"))

    def name(self, field: str) -> str:
        """A string or a whole number, as a string: what identifiers are."""
        return str(self._of(field, (str, int), "a string or a whole number"))

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings, at least one."""
        found = self.values.get(field)
        if not isinstance(found, list) or not found or not all(isinstance(x, str) for x in found):
            raise self.wrong(field, f"expected a list of strings, got {_kind(found)}")
        return tuple(found)

    def wrong(self, field: str, complaint: str) -> DataError:
        """The error to raise about a field."""
        return DataError(f"{self.where}: {field}: {complaint}")

    def _of(self, field: str, kind: Any, expected: str) -> Any:
        found = self.values.get(field)
        if not isinstance(found, kind) or isinstance(found, bool):
            raise self.wrong(field, f"expected {expected}, got {_kind(found)}")
        return found


def _kind(found: Any) -> str:
    return "nothing" if found is None else type(found).__name__


def rows_at(path: Path, splits: Collection[str] = ()) -> Iterator[Row]:
    """The records of a file, or of a folder's files by name. Raises DataError.

    Where some files are named after one of the splits, such as filtered-00000-of-00001.parquet,
    the others are of other splits, and left out.
    """
    if not path.exists():
        raise DataError(f"cannot read {path}: No such file or directory")
    alone = not path.is_dir() or is_saved(path)
    files = [path] if alone else sorted(_files_in(path))
    if not files:
        raise DataError(f"{path} holds no file that ends in {', '.join(SUFFIXES)}")
    named = [file for file in files if set(WORDS.findall(file.name)) & set(splits)]
    for file in named or files:
        yield from (Row(f"{file}, {place}", values) for place, values in read_records(file))


def rows_of_hub(name: str, split: str, how: str, config: str | None = None) -> Iterator[Row]:
    """The records of a Hugging Face data set; `how` says how to do without. Raises DataError."""
    for number, values in enumerate(hub_records(name, split, how, config), 1):
        yield Row(f"{name}, split {split}, record {number}", values)


def _files_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
