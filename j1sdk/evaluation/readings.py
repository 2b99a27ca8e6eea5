"""The same transcripts read strictly or leniently, without judging again."""

from __future__ import annotations

from collections.abc import Iterable

from j1sdk.deliberation import replay
from j1sdk.formats import JudgmentFormat
from j1sdk.judge import result_of
from j1sdk.types import (
    Completion,
    JudgeResult,
    Judgment,
    JudgmentStatus,
    JudgmentTask,
    Presentation,
)


def reread(
    format: JudgmentFormat, results: Iterable[JudgeResult], lenient: bool
) -> list[JudgeResult] | None:
    """Results as another reading of what was written makes them.

    None for a format that has one reading only, that talks more than once, or whose judgments were
    added up from samples.
    """
    known = list(results)
    if getattr(format, "lenient", None) is None or not format.single_turn:
        return None
    if any(judgment.samples for result in known for judgment in result.judgments):
        return None
    other = format.model_copy(update={"lenient": lenient})
    return [
        result_of(result.task, [_read(other, result.task, one) for one in result.judgments])
        for result in known
    ]


def _read(format: JudgmentFormat, task: JudgmentTask, judgment: Judgment) -> Judgment:
    if judgment.status is JudgmentStatus.ENGINE_ERROR:
        return judgment
    cut = judgment.status is JudgmentStatus.TRUNCATED
    said = Completion(text=judgment.text, finish_reason="length" if cut else "stop")
    again = replay(format, Presentation(task=task, order=judgment.order), said)
    told = {"scores": again.scores, "status": again.status, "detail": again.detail}
    return judgment.model_copy(update=told)
