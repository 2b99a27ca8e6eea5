"""Records from what data come in: files of every common kind, saved data sets, and the hub.

    .jsonl .ndjson .json .csv .tsv .parquet      also .gz, .bz2, .xz and .zst of the first five
    a folder of `datasets`' save_to_disk
    owner/name, owner/name/config, owner/name:split of the Hugging Face hub

Files of lines, .csv and .parquet are read as they are needed, an array in a .json file as a whole.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from j1sdk.component import MaybeName
from j1sdk.errors import DataError, MissingExtraError

Located = tuple[str, Any]
"""The place of a record, such as `line 3` or `record 3`, and the record."""
OPENERS: dict[str, Any] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".lzma": lzma.open,
}
ZSTANDARD = (".zst", ".zstd")
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", *OPENERS, *ZSTANDARD)
SAVED, SAVED_SPLITS = "state.json", "dataset_dict.json"
"""What `save_to_disk` leaves in the folder of a data set, and of one with several splits."""
HUB_NAME = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(/(?P<config>\w[\w.-]*))?(:(?P<split>\S+))?")


def is_hub_name(text: str) -> bool:
    """Whether a text has the form of a data set's name on the hub, and not of a data file's."""
    return HUB_NAME.fullmatch(text) is not None and Path(text).suffix not in SUFFIXES


DataPath = Annotated[Path, MaybeName(is_hub_name)]
"""A file or a folder; or, where there is none, the name of a data set on the Hugging Face hub."""


def read_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The place of each record, `line 3` or `record 3`, and the record. Raises DataError."""
    for place, record in _read(path):
        if not isinstance(record, dict):
            kind = type(record).__name__
            raise DataError(f"{path}, {place}: expected an object, got {kind}")
        yield place, record


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Line numbers from 1 and the object on them; blank lines are skipped. Raises DataError."""
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if line.strip():
                yield number, _parse_line(line, f"{path}, line {number}")


def hub_records(name: str, split: str, how: str = "", config: str | None = None) -> Iterator[Any]:
    """The records of a data set on the hub; `how` says how to do without. Raises DataError."""
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
    yield from loaded


def is_saved(path: Path) -> bool:
    """Whether a folder is what `save_to_disk` writes."""
    return (path / SAVED).is_file() or (path / SAVED_SPLITS).is_file()


def _read(path: Path) -> Iterator[Located]:
    if is_saved(path):
        return _numbered(_saved(path))
    if path.is_dir():
        raise DataError(f"cannot read {path}: Is a directory{_holds(path)}")
    if is_hub_name(path.as_posix()) and not path.exists() and not Path(path.parts[0]).exists():
        return _numbered(_hub(path))
    return _file(path)


def _hub(path: Path) -> Iterator[Any]:
    name = HUB_NAME.fullmatch(path.as_posix())
    assert name, "checked by the caller"
    how = f"There is no file or folder {path} here either"
    return hub_records(name["name"], name["split"] or "train", how, name["config"])


def _file(path: Path) -> Iterator[Located]:
    packed = path.suffix in OPENERS or path.suffix in ZSTANDARD
    suffix = path.with_suffix("").suffix if packed else path.suffix
    if suffix == ".parquet":
        return _numbered(_parquet(path))
    if suffix in (".csv", ".tsv"):
        return _csv(path, "\t" if suffix == ".tsv" else ",")
    if suffix == ".json" or _begins_array(path):
        return _json(path)
    return _lines(path)


def _numbered(records: Iterator[Any]) -> Iterator[Located]:
    return ((f"record {number}", record) for number, record in enumerate(records, 1))


def _lines(path: Path) -> Iterator[Located]:
    return ((f"line {number}", record) for number, record in read_lines(path))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked; what goes wrong in reading them is a DataError."""
    try:
        with _open(path) as file:
            yield file
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"cannot read {path}: a damaged {path.suffix} file: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _open(path: Path) -> Any:
    if path.suffix not in ZSTANDARD:
        return OPENERS.get(path.suffix, open)(path, "rb")
    try:
        import pyarrow  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("pyarrow", "eval") from error
    return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))


def _begins_array(path: Path) -> bool:
    with _opened(path) as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def _json(path: Path) -> Iterator[Located]:
    """An array, an object of arrays, or lines: many a .json file holds JSON lines."""
    with _opened(path) as file:
        text = file.read()
    try:
        value = json.loads(text.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise DataError(f"{path} is not JSON: {error}") from error
        return _lines(path)
    except (ValueError, RecursionError) as error:  # no UTF-8, or beyond Python's limits
        raise DataError(f"{path} is not JSON: {error}") from error
    if isinstance(value, dict) and all(isinstance(part, list) for part in value.values()):
        value = [record for part in value.values() for record in part]
    if not isinstance(value, list):
        raise DataError(f"{path}: expected an array of records, got {type(value).__name__}")
    return _numbered(iter(value))


def _csv(path: Path, delimiter: str) -> Iterator[Located]:
    csv.field_size_limit(sys.maxsize)  # Python's default refuses texts of more than 131,072
    with _opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        rows = csv.DictReader(text, delimiter=delimiter, strict=True)
        try:
            for number, row in enumerate(rows, 1):
                if None in row or None in row.values():
                    raise DataError(
                        f"{path}, record {number} (to line {rows.line_num}): not as many cells as"
                        f" the {len(rows.fieldnames or ())} columns of the header"
                    )
                yield f"record {number}", {name: _cell(cell) for name, cell in row.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path}, near line {rows.line_num + 1}: {error}") from None


def _cell(text: str) -> Any:
    """A cell: a list of messages if it is one in JSON, else the text."""
    if not text.startswith("[{"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    messages = all({"role", "from"} & part.keys() for part in value if isinstance(part, dict))
    return value if messages else text


def _parquet(path: Path) -> Iterator[Any]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "eval") from error
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from batch.to_pylist()
    except (OSError, ArrowException) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _saved(path: Path) -> Iterator[Any]:
    if (path / SAVED_SPLITS).is_file():
        splits = sorted(child for child in path.iterdir() if (child / SAVED).is_file())
        if len(splits) != 1:
            raise DataError(f"{path} holds several splits: give {' or '.join(map(str, splits))}")
        path = splits[0]
    try:
        from datasets import load_from_disk
    except ImportError as error:
        raise MissingExtraError("datasets", "eval") from error
    try:
        saved = load_from_disk(str(path))
    except Exception as error:  # datasets raises whatever a damaged file makes Arrow raise
        raise DataError(f"cannot read {path}: {type(error).__name__}: {error}") from error
    yield from saved


def _holds(folder: Path) -> str:
    files = sorted(str(file) for file in folder.iterdir() if file.suffix in SUFFIXES)
    return f": give one of {', '.join(files[:5])}" if files else ", and no saved data set"


def _parse_line(line: bytes, where: str) -> Any:
    try:
        record = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON at column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # numbers or nesting beyond Python's limits
        raise DataError(f"{where}: {error}") from None
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object, got {type(record).__name__}")
    return record
