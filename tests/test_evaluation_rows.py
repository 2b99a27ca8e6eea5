"""Official records: from every kind of file, and complained about by place and field."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from j1sdk.errors import DataError, MissingExtraError
from j1sdk.evaluation.rows import Row, rows_at, rows_of_hub

RECORDS: list[dict[str, Any]] = [
    {"id": 1, "texts": ["a", "b"]},
    {"id": "two", "texts": ["Ü\u2028", ""]},
]


def as_array(path: Path) -> None:
    path.write_text(json.dumps(RECORDS), encoding="utf-8")


def as_lines(path: Path) -> None:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in RECORDS), encoding="utf-8")


def as_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, RECORDS)).encode()))


def as_parquet(path: Path) -> None:
    from datasets import Dataset

    same = [{"id": str(one["id"]), "texts": one["texts"]} for one in RECORDS]
    Dataset.from_list(same).to_parquet(str(path))


FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "r.json": (as_array, "record 2"),
    "r.jsonl": (as_lines, "line 2"),
    "r.jsonl.gz": (as_gzip, "line 2"),
    "r.parquet": (as_parquet, "record 2"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_the_same_records(name: str, tmp_path: Path) -> None:
    write, place = FILES[name]
    write(tmp_path / name)
    rows = list(rows_at(tmp_path / name))
    assert [row.name("id") for row in rows] == ["1", "two"]
    assert [row.texts("texts") for row in rows] == [("a", "b"), ("Ü\u2028", "")]
    assert rows[1].where == f"{tmp_path / name}, {place}"


def test_a_folder_is_read_file_by_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    as_lines(tmp_path / "in" / "a.jsonl")
    as_array(tmp_path / "b.json")
    (tmp_path / "README.md").write_text("no records")
    rows = list(rows_at(tmp_path))
    assert [Path(row.where.split(",")[0]).name for row in rows] == ["b.json"] * 2 + ["a.jsonl"] * 2


GETTERS: list[tuple[Callable[[Row], object], Any, str]] = [
    (lambda row: row.text("x"), 5, "expected a string, got int"),
    (lambda row: row.text("x"), None, "expected a string, got nothing"),
    (lambda row: row.whole("x"), "5", "expected a whole number, got str"),
    (lambda row: row.whole("x"), True, "expected a whole number, got bool"),
    (lambda row: row.name("x"), [], "expected a string or a whole number, got list"),
    (lambda row: row.texts("x"), "ab", "expected a list of strings, got str"),
    (lambda row: row.texts("x"), [], "expected a list of strings, got list"),
    (lambda row: row.texts("x"), ["a", 1], "expected a list of strings, got list"),
]


@pytest.mark.parametrize(("get", "value", "complaint"), GETTERS)
def test_a_wrong_field_is_named_with_its_place(
    get: Callable[[Row], object], value: Any, complaint: str
) -> None:
    with pytest.raises(DataError, match=f"^file, line 7: x: {complaint}$"):
        get(Row("file, line 7", {"x": value}))


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("r.json", b'{"a": 1}', "expected an array of records, got dict"),
        ("r.json", b"[1]", "record 1: expected an object, got int"),
        ("r.json", b"[", "is not JSON"),
        ("r.json", b"\xff", "is not JSON"),
        ("r.jsonl", b"{}\n[]", "line 2: expected an object, got list"),
        ("r.parquet", b"PAR0", "cannot read"),
    ],
)
def test_a_damaged_file_is_named(name: str, content: bytes, complaint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=complaint) as raised:
        list(rows_at(tmp_path / name))
    assert str(tmp_path / name) in str(raised.value)


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        list(rows_at(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"holds no file that ends in \.json, \.jsonl"):
        list(rows_at(tmp_path))


def test_without_a_network_the_hub_is_named_and_what_to_do() -> None:
    program = (
        "from j1sdk_benchmarks.rewardbench import RewardBench\n"
        "from j1sdk.errors import DataError\n"
        "try: RewardBench().tasks()\n"
        "except DataError as error: print(error)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "cannot load allenai/reward-bench (split filtered)" in done.stdout, done.stderr
    assert "https://huggingface.co/datasets/allenai/reward-bench" in done.stdout
    assert "path (--data)" in done.stdout


@pytest.mark.parametrize("package", ["datasets", "pyarrow"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*j1sdk\[eval\]"):
        list(rows_of_hub("a/b", "test", "") if package == "datasets" else rows_at(tmp_path))
