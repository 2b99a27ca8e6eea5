"""Files that are whole: replaced in one step, or added to line by line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Replace the file in one step, making its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def append_lines(path: Path, lines: Iterable[str], sync: bool = False) -> None:
    """Add lines, which then outlive the process; with `sync`, on disk before this returns."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write("".join(f"{line}\n" for line in lines))
        if sync:
            file.flush()
            os.fsync(file.fileno())


def read_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """(where, line) of each line of a file, if it is there.

    A last line that a crash cut short is removed from the file.
    """
    text = path.read_bytes() if path.exists() else b""
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    for number, line in enumerate(whole.splitlines(), 1):
        yield f"{path}, line {number}", line
