"""Preference data in files, saved data sets and on the hub, in any of the common shapes.

What is read of where: `j1sdk.data.containers`; what columns mean: `j1sdk.data.shapes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator

from j1sdk.data import Source
from j1sdk.data.containers import DataPath, read_lines, read_records
from j1sdk.data.shapes import COLUMNS, FieldNames, task_of
from j1sdk.errors import DataError, did_you_mean
from j1sdk.types import JudgmentTask

__all__ = ["Fields", "JsonLines", "read_lines"]


def _parse(given: Any) -> Any:
    """`prompt=question,chosen=good`, as it is written on a command line."""
    if not isinstance(given, str):
        return given
    pairs = [pair.partition("=") for pair in given.split(",")]
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


def _known(fields: FieldNames) -> FieldNames:
    for name, column in fields.items():
        if name not in COLUMNS:
            raise ValueError(f"nothing reads a column {name!r}{did_you_mean(name, COLUMNS)}")
        if not column or (not isinstance(column, str) and name != "responses"):
            raise ValueError(f"{name}: expected the name of a column, got {column!r}")
    return fields


Fields = Annotated[FieldNames, BeforeValidator(_parse), AfterValidator(_known)]


class JsonLines(Source):
    """Preference data. A task without an `id` is named by its line or record."""

    name: ClassVar[str] = "jsonl"
    path: DataPath
    """A file (.jsonl, .json, .csv, .parquet; .gz, .zst, .xz, .bz2), a folder of `save_to_disk`, or
    a data set on the hub: `owner/name`, `owner/name/config:split`."""
    fields: Fields = {}
    """What the data call their columns, where no shape has those: {prompt = "question"}."""
    ties: Literal["keep", "drop"] = "keep"
    """Tasks whose label is a tie: nothing to train on, but something to be judged."""

    def tasks(self) -> Iterator[JudgmentTask]:
        seen: dict[str, str] = {}
        for place, record in read_records(self.path):
            try:
                task = task_of(record, place.replace(" ", "-"), self.fields)
            except DataError as error:
                raise DataError(f"{self.path}, {place}: {error}") from None
            if first := seen.get(task.id):
                raise DataError(f"{self.path}, {place}: id {task.id!r} was used on {first} already")
            seen[task.id] = place
            if self.ties == "keep" or not task.tied:
                yield task
