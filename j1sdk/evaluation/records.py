"""Recorded judgments: a JSON line each, with all that scoring needs and no text.

    {"id": "17", "subset": "math-prm", "order": [1, 0], "preferred": 0, "scores": [0, 1],
     "status": "ok"}

`order` has the responses in the order shown, by their index in the task: two of them, or one for a
pointwise judge. `scores` follow `order`. `preferred` is an index in the task too, or a list of
several that are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from j1sdk.data.containers import read_lines
from j1sdk.errors import DataError, explain
from j1sdk.files import write_text
from j1sdk.judge import result_of
from j1sdk.types import JudgeResult, Judgment, JudgmentStatus, JudgmentTask, Usage

RECORDS_FILE = "records.jsonl"
Place = Annotated[int, Field(ge=0, strict=True)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Record(BaseModel):
    """One judgment of one presentation. Fields it does not know are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1, coerce_numbers_to_str=True)
    subset: str | None = None
    order: tuple[Place, ...] = Field(min_length=1, max_length=2)
    preferred: Place | tuple[Place, ...] | None = None
    scores: tuple[Finite, ...] | None
    status: JudgmentStatus
    completion_tokens: int = Field(default=0, ge=0)
    thought_length: int | None = Field(default=None, ge=0)
    """Characters of thought before the answer, where the format has a place for one."""

    @model_validator(mode="after")
    def _check(self) -> Record:
        if len(set(self.order)) < len(self.order):
            raise ValueError(f"order {list(self.order)} shows a response twice")
        if (self.scores is None) == (self.status is JudgmentStatus.OK):
            raise ValueError("scores are null where the status is not ok, and only there")
        if self.scores is not None and len(self.scores) != len(self.order):
            raise ValueError(f"{len(self.scores)} scores for {len(self.order)} responses")
        return self

    @property
    def golds(self) -> tuple[int, ...]:
        """All preferred responses."""
        if self.preferred is None:
            return ()
        return (self.preferred,) if isinstance(self.preferred, int) else self.preferred


def read_records(path: Path) -> list[Record]:
    """The records of a `.jsonl` file; raises DataError naming file, line and field."""
    records = [_record(values, f"{path}, line {number}") for number, values in read_lines(path)]
    if not records:
        raise DataError(f"{path} holds no judgments")
    return records


def _record(values: object, where: str) -> Record:
    try:
        return Record.model_validate(values)
    except ValidationError as error:
        raise DataError(f"{where}: {explain(error)[0]}") from None


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write the records, a line each."""
    lines = (record.model_dump_json(exclude_none=False) for record in records)
    write_text(path, "".join(f"{line}\n" for line in lines))


def records_of(
    results: Iterable[JudgeResult], thinking: Sequence[tuple[str, str]] = ()
) -> list[Record]:
    """The records of judged tasks. With a format's `sections`, thoughts are measured."""
    return [
        Record(
            id=result.task.id,
            subset=result.task.subset,
            order=judgment.order,
            preferred=golds[0] if len(golds := golds_of(result.task)) == 1 else golds or None,
            scores=judgment.scores,
            status=judgment.status,
            completion_tokens=judgment.usage.completion_tokens,
            thought_length=thought_length(judgment.text, thinking) if thinking else None,
        )
        for result in results
        for judgment in result.judgments
    ]


def golds_of(task: JudgmentTask) -> tuple[int, ...]:
    """Indices of all preferred responses: with ratings, of those rated highest."""
    if task.ratings is None:
        return () if task.preferred is None else (task.preferred,)
    return tuple(place for place, one in enumerate(task.ratings) if one == max(task.ratings))


def results_of(records: Iterable[Record]) -> list[JudgeResult]:
    """The judged tasks that records are of, without their texts; raises DataError.

    What has one subset and one id is one task.
    """
    tasks: dict[tuple[str | None, str], list[Record]] = {}
    for record in records:
        tasks.setdefault((record.subset, record.id), []).append(record)
    return [result_of(_task(members), list(map(_judgment, members))) for members in tasks.values()]


def _task(members: Sequence[Record]) -> JudgmentTask:
    golds = _golds(members)
    count = 1 + max(place for record in members for place in (*record.order, *record.golds))
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
        usage=Usage(calls=1, completion_tokens=record.completion_tokens),
    )


def thought_length(text: str, sections: Sequence[tuple[str, str]]) -> int:
    """Characters before the answer, which is a well-formed text's last section."""
    opening, _ = sections[-1]
    thought, found, _ = text.rpartition(opening)
    return len(thought if found else text)
