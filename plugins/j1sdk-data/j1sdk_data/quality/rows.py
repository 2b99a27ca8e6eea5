"""The rows that are looked at: tasks with a name of their own across files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from j1sdk.data.jsonl import JsonLines
from j1sdk.data.shapes import FieldNames
from j1sdk.formats.sections import transcript
from j1sdk.types import JudgmentTask


class Row(NamedTuple):
    """A task, and what it is called in a report."""

    name: str
    task: JudgmentTask

    @property
    def prompt(self) -> str:
        """The prompt as text, a dialogue with its roles."""
        return transcript(self.task.prompt)

    @property
    def chosen(self) -> str | None:
        """The better response; None where this is no labelled pair."""
        return self.task.responses[self.task.preferred or 0] if self._is_pair else None

    @property
    def rejected(self) -> str | None:
        """The other response; None where this is no labelled pair."""
        return self.task.responses[1 - (self.task.preferred or 0)] if self._is_pair else None

    @property
    def _is_pair(self) -> bool:
        return len(self.task.responses) == 2 and self.task.preferred is not None


def read_rows(paths: Sequence[Path], fields: FieldNames | None = None) -> Iterator[Row]:
    """The tasks of all files; raises DataError. Of several files, names begin with the file's."""
    for path in paths:
        for task in JsonLines(path=path, fields=fields or {}).tasks():
            yield Row(f"{path}: {task.id}" if len(paths) > 1 else task.id, task)
