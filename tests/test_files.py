"""Files are replaced in one step, or not at all."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from j1sdk.errors import StorageError
from j1sdk.files import replaced, write_text


def test_the_text_is_there_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    write_text(path, "grün\n")
    assert path.read_bytes() == "grün\n".encode()


def test_what_was_there_is_replaced_and_nothing_is_left_over(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    for text in ("a longer text", "short"):
        write_text(path, text)
    assert path.read_text(encoding="utf-8") == "short"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_half_a_surrogate_pair_is_written_as_json_escapes_it(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_text(path, '"new \ud800"')
    assert json.loads(path.read_bytes()) == "new \ud800"


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), replaced(path) as file:
        file.write(b"new" * (1 // 0))
    assert path.read_text(encoding="utf-8") == "old" and os.listdir(tmp_path) == ["file.txt"]
    (tmp_path / "a file").touch()
    with pytest.raises(StorageError, match=r"cannot write .*x: (Not a directory|File exists)"):
        write_text(tmp_path / "a file" / "x", "new")


def test_a_reader_sees_all_of_the_old_or_all_of_the_new(tmp_path: Path) -> None:
    path, texts = tmp_path / "file.txt", ("a" * 200_000, "b" * 200_000)
    write_text(path, texts[0])
    done, seen = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text(encoding="utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(200):
        write_text(path, texts[turn % 2])
    done.set()
    reader.join()
    assert seen and seen <= set(texts)
