"""The same transcripts read strictly or leniently, without judging again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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

Reader = Callable[[JudgeResult], JudgeResult]
"""Makes of a result what another reading of what was written does."""


def reader(format: JudgmentFormat, lenient: bool) -> Reader | None:
    """A strict or a lenient reading of results whose judgments were not added up from samples.

    None for a format that has one reading only, that talks more than once, or that reads
    probabilities.
    """
    if getattr(format, "lenient", None) is None or not format.single_turn:
        return None
    if format.reads_probabilities:  # of which a transcript has none
        return None
    return partial(_reread, format.model_copy(update={"lenient": lenient}))


def _reread(format: JudgmentFormat, result: JudgeResult) -> JudgeResult:
    return result_of(result.task, [_read(format, result.task, one) for one in result.judgments])


def _read(format: JudgmentFormat, task: JudgmentTask, judgment: Judgment) -> Judgment:
    if judgment.status is JudgmentStatus.ENGINE_ERROR:
        return judgment
    cut = judgment.status is JudgmentStatus.TRUNCATED
    said = Completion(text=judgment.text, finish_reason="length" if cut else "stop")
    again = replay(format, Presentation(task=task, order=judgment.order), said)
    told = {"scores": again.scores, "status": again.status, "detail": again.detail}
    return judgment.model_copy(update=told)
