"""Judging a file's worth of tasks into a folder, so that nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from j1sdk.background import run
from j1sdk.config import Run, dump_run
from j1sdk.deliberation import question
from j1sdk.errors import ConfigError, DataError
from j1sdk.evaluation.metrics import Metrics, measure
from j1sdk.files import append_lines, read_lines, write_text
from j1sdk.judge import JudgeRewardModel, result_of
from j1sdk.types import Judgment, JudgmentTask, Presentation

JUDGMENTS_FILE, METRICS_FILE, RECORD_FILE = "judgments.jsonl", "metrics.json", "run.toml"
BATCH = 256
"""Presentations judged before their judgments are written."""

Key = tuple[str, tuple[int, ...]]


def judge_to_folder(
    judge: JudgeRewardModel, tasks: Sequence[JudgmentTask], out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Metrics:  # fmt: skip
    """Judge the tasks, appending a line per judgment to `out`/judgments.jsonl; returns metrics.

    Goes on from what is there. Raises ConfigError if that was made by another judge, DataError
    if a line is not what this wrote.
    """
    claim(out, judge)
    by_task = [judge.presentations(task) for task in tasks]
    done = read_judgments(out / JUDGMENTS_FILE)
    waiting = [one for shown in by_task for one in shown if key(one) not in done]
    check_same_tasks(judge, by_task, done, out)
    finished, total = sum(map(len, by_task)) - len(waiting), sum(map(len, by_task))
    for start in range(0, len(waiting), BATCH):
        made = run(_judge_all(judge, waiting[start : start + BATCH]))
        lines = (judgment.model_dump_json() for judgment in made)
        append_lines(out / JUDGMENTS_FILE, lines, sync=True)
        done |= {(judgment.task_id, judgment.order): judgment for judgment in made}
        finished += len(made)
        if progress:
            progress(finished, total)
    results = [
        result_of(task, [done[key(one)] for one in shown])
        for task, shown in zip(tasks, by_task, strict=True)
    ]
    measured = measure(results)
    write_text(out / METRICS_FILE, measured.model_dump_json(indent=2))
    return measured


def check_same_tasks(
    judge: JudgeRewardModel, by_task: Sequence[Sequence[Presentation]], done: dict[Key, Judgment],
    out: Path,
) -> None:  # fmt: skip
    """Raise ConfigError where a task of that id was judged with other content."""
    for shown in (one for presented in by_task for one in presented if key(one) in done):
        asked = question(judge.format, shown, judge.engine.reserved)
        if done[key(shown)].transcript[: len(asked)] != asked:
            raise ConfigError(
                f"{out} holds judgments of other data: task {shown.task.id!r} has another content"
                " there. Use another --out"
            )


def key(shown: Presentation) -> Key:
    """What names a presentation, and its judgment, in a file."""
    return shown.task.id, shown.order


async def _judge_all(judge: JudgeRewardModel, shown: Iterable[Presentation]) -> list[Judgment]:
    return list(await asyncio.gather(*map(judge.present_async, shown)))


def claim(out: Path, judge: JudgeRewardModel) -> None:
    """Make the folder and record the judge; raises ConfigError if it records another."""
    record, described = out / RECORD_FILE, dump_run(Run(judge=judge))
    if record.exists() and record.read_text(encoding="utf-8") != described:
        raise ConfigError(f"{out} holds judgments of another judge ({record}): another --out")
    write_text(record, described)


def read_judgments(path: Path) -> dict[Key, Judgment]:
    """The judgments of a file; a last line cut short by a crash is removed from it."""
    judgments = (parse_line(line, where) for where, line in read_lines(path))
    return {(judgment.task_id, judgment.order): judgment for judgment in judgments}


def parse_line(line: bytes, where: str) -> Judgment:
    """One judgment; raises DataError saying where."""
    try:
        return Judgment.model_validate(json.loads(line))
    except ValueError as error:
        raise DataError(f"{where} is no judgment of ours: move the file away") from error
