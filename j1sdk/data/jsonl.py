"""Preference data in JSON lines: {prompt, chosen, rejected} or {prompt, responses, preferred?}.

Either may have reference, ratings (one per response), subset and id.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from j1sdk.data import Source
from j1sdk.errors import ConfigError, DataError, explain
from j1sdk.types import Conversation, JudgmentTask


class _Record(BaseModel):
    """A line. Fields it does not know are left alone: public files carry many."""

    model_config = ConfigDict(extra="ignore", strict=False)

    prompt: Conversation
    chosen: str | None = None
    rejected: str | None = None
    responses: tuple[str, ...] | None = Field(default=None, min_length=1)
    preferred: int | None = None
    reference: str | None = None
    ratings: tuple[float, ...] | None = None
    subset: str | None = None
    id: str = Field(default="", coerce_numbers_to_str=True)

    @model_validator(mode="after")
    def _one_form(self) -> _Record:
        pair = (self.chosen is not None) + (self.rejected is not None)
        if (pair == 2) == (self.responses is not None) or pair == 1:
            raise ValueError('give "chosen" and "rejected", or "responses"')
        return self

    def task(self, identity: str) -> JudgmentTask:
        if self.responses is None:
            responses, preferred = (str(self.chosen), str(self.rejected)), 0
        else:
            responses, preferred = self.responses, self.preferred  # type: ignore[assignment]
        return JudgmentTask(
            prompt=self.prompt, responses=responses, preferred=preferred,
            reference=self.reference, ratings=self.ratings, subset=self.subset,
            id=self.id or identity,
        )  # fmt: skip


class JsonLines(Source):
    """A `.jsonl` file, or `.jsonl.gz`. A task without an `id` is named by its line number."""

    name: ClassVar[str] = "jsonl"
    path: Path
    """The file to read."""

    def tasks(self) -> Iterator[JudgmentTask]:
        seen: dict[str, int] = {}
        for number, record in read_lines(self.path):
            where = f"{self.path}, line {number}"
            try:
                task = _Record.model_validate(record).task(f"line-{number}")
            except (ValidationError, ConfigError) as error:
                raise DataError(f"{where}: {explain(error)[0]}") from None
            if first := seen.get(task.id):
                raise DataError(f"{where}: id {task.id!r} was used on line {first} already")
            seen[task.id] = number
            yield task


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Line numbers from 1 and the JSON on them; blank lines are skipped. Raises DataError."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _parse(line, f"{path}, line {number}")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: a damaged gzip file: {error}") from error


def _parse(line: bytes, where: str) -> Any:
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
