"""Judged tasks, put together again from recorded judgments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from j1sdk.errors import DataError
from j1sdk.judge import result_of
from j1sdk.judgments import Record
from j1sdk.types import JudgeResult, Judgment, JudgmentStatus, JudgmentTask, Usage

RECORDS_FILE = "records.jsonl"


def results_of(records: Iterable[Record]) -> list[JudgeResult]:
    """The judged tasks that records are of, without their texts; raises DataError."""
    return [result_from(members) for members in by_task(records)]


def by_task(records: Iterable[Record]) -> list[list[Record]]:
    """The records of each task, in the order they first appear: of one subset and one id."""
    tasks: dict[tuple[str | None, str], list[Record]] = {}
    for record in records:
        tasks.setdefault((record.subset, record.id), []).append(record)
    return list(tasks.values())


def result_from(members: Sequence[Record]) -> JudgeResult:
    """The judged task that these are all records of; raises DataError.

    Where the engine failed on a presentation that was judged another time, the failure is dropped.
    """
    failed = JudgmentStatus.ENGINE_ERROR
    judged = {record.order for record in members if record.status is not failed}
    kept = [one for one in members if one.status is not failed or one.order not in judged]
    return result_of(_task(members), list(map(_judgment, kept)))


def _task(members: Sequence[Record]) -> JudgmentTask:
    golds = _golds(members)
    shown = {place for record in members for place in record.order}
    if unseen := set(golds) - shown:
        raise DataError(
            f"{members[0].id}: preferred: {min(unseen)} was not judged, only"
            f" {', '.join(map(str, sorted(shown)))} were. It is an index in the task, from 0"
        )
    count = 1 + max(shown)
    return JudgmentTask(
        prompt="",
        responses=("",) * count,
        preferred=golds[0] if golds else None,
        ratings=tuple(float(place in golds) for place in range(count)) if golds[1:] else None,
        subset=members[0].subset,
        id=members[0].id,
    )


def _golds(members: Sequence[Record]) -> tuple[int, ...]:
    """The preferred responses of a task; raises DataError where two records of a pair differ."""
    by_pair: dict[frozenset[int], tuple[int, ...]] = {}
    for record in members:
        told = by_pair.setdefault(frozenset(record.order), record.golds)
        if set(told) != set(record.golds):
            raise DataError(
                f"{record.id}: preferred: {list(told)} in one record and {list(record.golds)} in"
                " another of the same pair. It is an index in the task, not in the order shown"
            )
    return tuple(dict.fromkeys(gold for golds in by_pair.values() for gold in golds))


def _judgment(record: Record) -> Judgment:
    return Judgment(
        task_id=record.id,
        order=record.order,
        scores=record.scores,
        status=record.status,
        probabilities=() if (p := record.first) is None else ({"A": p, "B": 1 - p},),
        usage=Usage(calls=1, completion_tokens=record.completion_tokens),
    )
