"""The same pairs from every kind of file, folder and name; and what is said of damaged ones."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from j1sdk import DataError
from j1sdk.cli import j1
from j1sdk.data.containers import is_hub_name
from j1sdk.data.jsonl import JsonLines
from j1sdk.errors import MissingExtraError
from j1sdk.evaluation.benchmarks.pairs import Pairs
from j1sdk.run import dump_run, read_run

SHARED = Path(__file__).parents[2] / "shared" / "data"
TURNS = [{"role": "user", "content": 'Say "Ü\u2028",\nplease.'}]
RECORDS: list[dict[str, Any]] = [
    {"prompt": TURNS, "chosen": "Ü\u2028\r\n", "rejected": "U,"},
    {"prompt": TURNS, "chosen": " a ", "rejected": ""},
]
JUDGE = '[judge]\nformat = "pairwise-verdict"\nengine = "scripted"\n'


def lines() -> bytes:
    return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in RECORDS).encode()


def table(delimiter: str) -> bytes:
    written = io.StringIO()
    rows = csv.writer(written, delimiter=delimiter)
    rows.writerow(RECORDS[0])
    rows.writerows((json.dumps(TURNS), one["chosen"], one["rejected"]) for one in RECORDS)
    return written.getvalue().encode()


def zstandard(content: bytes) -> bytes:
    import pyarrow  # type: ignore[import-untyped]

    return bytes(pyarrow.compress(content, codec="zstd", asbytes=True))


BOM = b"\xef\xbb\xbf"
FILES: dict[str, Callable[[], bytes]] = {
    "d.jsonl": lines,
    "d.ndjson": lambda: BOM + lines(),
    "lines.json": lines,
    "array.json": lambda: BOM + json.dumps(RECORDS, indent=1).encode(),
    "array.jsonl": lambda: json.dumps(RECORDS).encode(),
    "object.json": lambda: json.dumps({"a": RECORDS[:1], "b": RECORDS[1:]}).encode(),
    "d.csv": lambda: BOM + table(","),
    "d.tsv": lambda: table("\t"),
    "d.jsonl.gz": lambda: gzip.compress(lines()),
    "d.jsonl.bz2": lambda: bz2.compress(lines()),
    "d.jsonl.xz": lambda: lzma.compress(lines()),
    "d.jsonl.zst": lambda: zstandard(lines()),
    "d.csv.gz": lambda: gzip.compress(table(",")),
    "d.json.zst": lambda: zstandard(json.dumps(RECORDS).encode()),
}


def texts(source: JsonLines) -> list[tuple[str, tuple[str, ...]]]:
    return [(task.prompt[0].content, task.responses) for task in source.load()]


EXPECTED = [(TURNS[0]["content"], (one["chosen"], one["rejected"])) for one in RECORDS]


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_the_same_pairs(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name]())
    assert texts(JsonLines(path=tmp_path / name)) == EXPECTED
    assert [task.responses for task in Pairs(path=tmp_path / name).tasks()] == [
        responses for _, responses in EXPECTED
    ]


def test_parquet_and_saved_data_sets_give_the_same_pairs(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    data = Dataset.from_list(RECORDS)
    data.to_parquet(str(tmp_path / "d.parquet"))
    data.save_to_disk(str(tmp_path / "saved"))
    DatasetDict(train=data).save_to_disk(str(tmp_path / "alone"))
    DatasetDict(train=data, test=data).save_to_disk(str(tmp_path / "split"))
    for name in ("d.parquet", "saved", "alone", "split/test"):
        assert texts(JsonLines(path=tmp_path / name)) == EXPECTED, name
    assert len(Pairs(path=tmp_path / "saved").tasks()) == 2
    with pytest.raises(DataError, match=f"give {tmp_path}/split/test or {tmp_path}/split/train"):
        JsonLines(path=tmp_path / "split").load()


def test_a_long_cell_is_a_text_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(f"prompt,chosen,rejected\n?,{'a' * 200_000},b\n", encoding="utf-8")
    (task,) = JsonLines(path=path).load()
    assert len(task.responses[0]) == 200_000


def test_records_without_lines_are_named_by_their_number(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(table(","))
    assert [task.id for task in JsonLines(path=tmp_path / "d.csv").load()] == [
        "record-1",
        "record-2",
    ]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("d.csv", b"prompt,chosen,rejected\n?,a\n", "record 1 .to line 2.: not as many cells"),
        ("d.csv", b"prompt,chosen,rejected\n?,a,b,c\n", "not as many cells as the 3 columns"),
        ("d.csv", b'prompt,chosen,rejected\n?,a,"b\n', "unexpected end of data"),
        ("d.csv", b"prompt,chosen,rejected\n\xff,a,b\n", "can't decode byte 0xff"),
        ("d.jsonl.xz", b"nope", "a damaged .xz file"),
        ("d.jsonl.bz2", b"nope", "cannot read"),
        ("d.jsonl.zst", b"nope", "cannot read"),
        ("d.jsonl.zst", zstandard(lines())[:-5], "cannot read"),
        ("d.json", b'{"a": [1]}', "record 1: expected an object, got int"),
    ],
)
def test_a_damaged_file_is_named(name: str, content: bytes, complaint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=complaint) as caught:
        JsonLines(path=tmp_path / name).load()
    assert str(tmp_path / name) in str(caught.value)


def test_a_folder_says_which_of_its_files_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines())
    (tmp_path / "README.md").write_text("pairs", encoding="utf-8")
    with pytest.raises(DataError, match=f"Is a directory: give one of {tmp_path}/a.jsonl$"):
        JsonLines(path=tmp_path).load()


@pytest.mark.parametrize("package", ["pyarrow", "datasets"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d.jsonl.zst").write_bytes(zstandard(lines()))
    path = tmp_path / "d.jsonl.zst" if package == "pyarrow" else Path("owner/name")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*j1sdk\[eval\]"):
        JsonLines(path=path).load()


@pytest.mark.parametrize(
    ("text", "is_name"),
    [
        ("HuggingFaceH4/ultrafeedback_binarized:test_prefs", True),
        ("nvidia/HelpSteer3/preference", True),
        ("nvidia/HelpSteer3/preference:validation", True),
        ("data/pairs.jsonl", False),
        ("data/pairs.csv.gz", False),
        ("./data/pairs", False),
        ("../data/pairs", False),
        ("/data/pairs", False),
        ("pairs", False),
    ],
)
def test_a_name_of_the_hub_has_an_owner_and_no_suffix(text: str, is_name: bool) -> None:
    assert is_hub_name(text) is is_name


def test_a_name_of_the_hub_is_loaded_with_its_config_and_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datasets

    asked = []

    def load_dataset(name: str, config: str | None, split: str) -> Any:
        asked.append((name, config, split))
        return datasets.Dataset.from_list(RECORDS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    for name in ("owner/name", "owner/name:test", "owner/name/config:test"):
        assert texts(JsonLines(path=Path(name))) == EXPECTED
    assert asked == [
        ("owner/name", None, "train"),
        ("owner/name", None, "test"),
        ("owner/name", "config", "test"),
    ]


def test_a_run_file_names_what_lies_beside_it_or_the_hub(tmp_path: Path) -> None:
    run_file = tmp_path / "run.toml"
    for given, path in {
        "owner/name:test": Path("owner/name:test"),
        "pairs.jsonl": tmp_path / "pairs.jsonl",
        "./own/data": tmp_path / "own/data",
        "own/data": tmp_path / "own/data",
    }.items():
        (tmp_path / "own" / "data").mkdir(parents=True, exist_ok=True)
        run_file.write_text(f'{JUDGE}[data]\nname = "jsonl"\npath = "{given}"\n', encoding="utf-8")
        run = read_run(run_file)
        assert run.data == JsonLines(path=path)
        run_file.write_text(dump_run(run), encoding="utf-8")
        assert read_run(run_file).data == run.data


@pytest.mark.slow
def test_what_is_neither_here_nor_on_the_hub_is_said_to_be_neither(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    result = CliRunner().invoke(j1, ["data", "show", "own-er/absent:test"])
    assert isinstance(result.exception, DataError)
    assert "cannot load own-er/absent (split test) from the Hugging Face hub" in str(
        result.exception
    )
    assert "There is no file or folder own-er/absent:test here either" in str(result.exception)


needs_shared_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="shared data not found at ../shared/data"
)


@needs_shared_data
def test_the_published_dialogues_of_hh_are_read_to_the_last_one() -> None:
    tasks = JsonLines(path=SHARED / "hh-rlhf" / "harmless-base" / "test.jsonl.gz").load()
    assert len(tasks) == 2312 and {task.prompt[-1].role for task in tasks} == {"user"}
    several = [task for task in tasks if any("\n\nAssistant: " in one for one in task.responses)]
    assert len(several) == 5, "dialogues that part before their last turn"
    whole = [task for task in tasks if task not in several and all(task.responses)]
    gaps = [len(task.responses[0]) - len(task.responses[1]) for task in whole]
    assert [sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)] == [1021, 1271]


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "firsts", "pairs"),
    [
        ("LLMBar/Dataset/LLMBar/Natural/dataset.json", 42, 100),
        ("LLMBar/Dataset/LLMBar/Adversarial/Neighbor/dataset.json", 75, 134),
        ("offsetbias/data/evalbiasbench/biasbench.json", 80, 80),
    ],
)
def test_published_pairs_are_read_as_they_are(name: str, firsts: int, pairs: int) -> None:
    tasks = JsonLines(path=SHARED / name).load()
    assert (len(tasks), sum(task.preferred == 0 for task in tasks)) == (pairs, firsts)
