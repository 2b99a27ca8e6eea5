"""Records of a benchmark's own files: read where they lie, complained about by place and field."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from j1sdk.data.jsonl import read_lines
from j1sdk.errors import DataError, MissingExtraError

WORDS = re.compile(r"[^\W_]+")
SUFFIXES = (".json", ".jsonl", ".gz", ".parquet")


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
    files = sorted(_files_in(path)) if path.is_dir() else [path]
    named = [file for file in files if set(WORDS.findall(file.name)) & set(splits)]
    if not files:
        raise DataError(f"{path} holds no file that ends in {', '.join(SUFFIXES)}")
    for file in named or files:
        yield from _rows_of(file)


def rows_of_hub(name: str, split: str, how: str, config: str | None = None) -> Iterator[Row]:
    """The records of a Hugging Face data set; `how` says how to do without. Raises DataError."""
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtraError("datasets", "eval") from error
    try:
        loaded = load_dataset(name, config, split=split)
    except Exception as error:  # datasets raises whatever the network underneath it does
        raise DataError(
            f"cannot load {name} (split {split}) from the Hugging Face hub:"
            f" {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}\n{how}"
        ) from error
    for number, values in enumerate(loaded, 1):
        yield Row(f"{name}, split {split}, record {number}", values)


def _files_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _rows_of(path: Path) -> Iterator[Row]:
    if path.suffix == ".parquet":
        found = _parquet(path)
    elif path.suffix == ".json":
        found = _array(path)
    else:
        lines = ((f"line {number}", values) for number, values in read_lines(path))
        yield from (Row(f"{path}, {place}", values) for place, values in lines)
        return
    for number, values in enumerate(found, 1):
        if not isinstance(values, dict):
            raise DataError(f"{path}, record {number}: expected an object, got {_kind(values)}")
        yield Row(f"{path}, record {number}", values)


def _array(path: Path) -> list[Any]:
    """The records of an array, or of an object of arrays."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if isinstance(found, dict) and all(isinstance(part, list) for part in found.values()):
        return [record for part in found.values() for record in part]
    if not isinstance(found, list):
        raise DataError(f"{path}: expected an array of records, got {_kind(found)}")
    return found


def _parquet(path: Path) -> list[Any]:
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("pyarrow", "eval") from error
    try:
        rows: list[Any] = parquet.read_table(path).to_pylist()
    except (OSError, ArrowException) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    return rows
