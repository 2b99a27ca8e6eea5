"""Runs on a benchmark, read from their folders to be shown or compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from j1sdk.component import Finder
from j1sdk.errors import DataError
from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.comparison import got_right
from j1sdk.evaluation.evaluations import Evaluated, read_evaluated
from j1sdk.evaluation.records import RECORDS_FILE, by_task, result_from
from j1sdk.judgments import JUDGMENTS_FILE, Key, Record, Transcribed, read_records
from j1sdk.types import JudgeResult, Judgment

Place = tuple[str | None, str]
"""What names a task: subset and id."""


class Entry(NamedTuple):
    """One run of a comparison: of each task only what the whole page needs of it."""

    name: str
    folder: Path
    evaluated: Evaluated
    units: list[Unit]
    right: dict[Place, bool]
    """Of each task, whether all that was shown was judged right, in every order."""
    leads: list[float]
    """Of each judgment that was read, the preferred response's score less the other's."""
    transcripts: Mapping[Key, Judgment]
    """The judgments with their texts, where the folder has them."""

    def results(self, places: Collection[Place]) -> dict[Place, JudgeResult]:
        """These tasks as they were judged, read again; raises DataError."""
        records = read_records(self.folder / RECORDS_FILE)
        wanted = (one for one in records if (one.subset, one.id) in places)
        return {place_of(result): result for result in map(result_from, by_task(wanted))}


def place_of(result: JudgeResult) -> Place:
    return result.task.subset, result.task.id


def read_entry(folder: Path, known: Finder) -> Entry:
    """The run in a folder; raises DataError."""
    evaluated, records = read_evaluated(folder, known)
    right: dict[Place, bool] = {}
    leads: list[float] = []

    def noted() -> Iterator[JudgeResult]:
        for result in labelled(records):
            right[place_of(result)] = got_right(evaluated.benchmark.credits(result))
            leads.extend(lead for view in evaluated.benchmark.pairs(result) for lead in ahead(view))
            yield result

    units = evaluated.benchmark.units(noted())
    transcripts = Transcribed(folder / JUDGMENTS_FILE)
    name = folder.name or str(folder)
    return Entry(name, folder, evaluated, units, right, leads, transcripts)


def labelled(records: Iterable[Record]) -> Iterator[JudgeResult]:
    """The judged tasks of which it is known what is right, one after the other."""
    results = map(result_from, by_task(records))
    return (result for result in results if result.task.contests)


def ahead(view: JudgeResult) -> list[float]:
    """How far the preferred of two responses is ahead, in each judgment; of both, if pointwise."""
    gold = view.task.preferred
    if gold is None:
        return []
    if all(len(judgment.order) == 1 for judgment in view.judgments):
        ours, theirs = view.scores[gold], view.scores[1 - gold]
        return [] if ours is None or theirs is None else [ours - theirs]
    return [
        (judgment.score_of(gold) or 0.0) - (judgment.score_of(1 - gold) or 0.0)
        for judgment in view.judgments
        if judgment.ok
    ]


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
