"""Runs on a benchmark, read from their folders to be shown or compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from j1sdk.component import Finder
from j1sdk.errors import DataError
from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.evaluations import Evaluated, read_evaluated
from j1sdk.evaluation.records import results_of
from j1sdk.judgments import JUDGMENTS_FILE, Key, Transcribed, is_labelled
from j1sdk.types import JudgeResult, Judgment

Place = tuple[str | None, str]
"""What names a task: subset and id."""


class Entry(NamedTuple):
    """One run of a comparison."""

    name: str
    evaluated: Evaluated
    units: list[Unit]
    results: dict[Place, JudgeResult]
    """By subset and id."""
    transcripts: Mapping[Key, Judgment]
    """The judgments with their texts, where the folder has them."""


def read_entry(folder: Path, known: Finder) -> Entry:
    """The run in a folder; raises DataError."""
    evaluated, records = read_evaluated(folder, known)
    results = [result for result in results_of(records) if is_labelled(result.task)]
    return Entry(
        name=folder.name or str(folder),
        evaluated=evaluated,
        units=evaluated.benchmark.units(results),
        results={(result.task.subset, result.task.id): result for result in results},
        transcripts=Transcribed(folder / JUDGMENTS_FILE),
    )


def read_entries(folders: Sequence[Path], known: Finder) -> list[Entry]:
    """Runs to compare; raises DataError where they are not of one benchmark."""
    entries = [read_entry(folder, known) for folder in folders]
    first, *others = [_without_data(entry.evaluated.benchmark) for entry in entries]
    for folder, other in zip(folders[1:], others, strict=True):
        if other != first:
            raise DataError(f"{folder} is a run of {other}, and {folders[0]} of {first}")
    names = Counter(entry.name for entry in entries)
    return [
        entry._replace(name=str(folder)) if names[entry.name] > 1 else entry
        for entry, folder in zip(entries, folders, strict=True)
    ]


def _without_data(benchmark: Benchmark) -> dict[str, object]:
    """What makes a benchmark that one, wherever its files are."""
    described = benchmark.model_dump(mode="json")
    return {key: value for key, value in described.items() if key not in ("path", "limit")}
