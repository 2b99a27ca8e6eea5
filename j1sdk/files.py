"""Files that are whole: replaced in one step, or read line by line."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from j1sdk.errors import DataError, StorageError

ENCODING, LONE_SURROGATES = "utf-8", "backslashreplace"
"""UTF-8 has no form for half a surrogate pair. JSON does: the escape that Python writes too."""


def write_text(path: Path, text: str) -> None:
    """Replace the file in one step, making its folder if need be. Raises StorageError."""
    with replaced(path) as file:
        file.write(text.encode(ENCODING, LONE_SURROGATES))


def encoded(line: str) -> bytes:
    """A line as it stands in a file."""
    return f"{line}\n".encode(ENCODING, LONE_SURROGATES)


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` once it is whole. Raises StorageError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise StorageError for what the system says while the file is written."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}. What was written before is kept, and"
            " once this is put right the same command goes on from there"
        ) from error


def read_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """(where, line) of each line of a file, or of a gzip file; DataError if it cannot be read."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, 1):
                yield f"{path}, line {number}", line
    except (OSError, EOFError) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
