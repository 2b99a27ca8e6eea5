"""Whether a folder's judgments are of this judge, and of these tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from j1sdk.deliberation import question
from j1sdk.errors import ConfigError, EngineError
from j1sdk.judge import JudgeRewardModel
from j1sdk.runfile import dump
from j1sdk.types import Judgment, JudgmentStatus, Presentation

OTHER_JUDGE = "judgments of another judge"
"""What a folder holds that records another."""


def judge_record(judge: JudgeRewardModel) -> str:
    """The run file of a run that has nothing but this judge."""
    return dump({"seed": 0, "judge": judge.model_dump(mode="json"), "made_with": {}})


def check_same_task(
    judge: JudgeRewardModel, shown: Presentation, judgment: Judgment, path: Path
) -> None:
    """Raise ConfigError where the judge was shown something else, in a judgment of this file."""
    asked = question(judge.format, shown, judge.engine.reserved)
    asked = asked[:-1] if asked[-1].role == "assistant" else asked  # what was begun, went on
    if judgment.transcript[: len(asked)] != asked:
        raise ConfigError(
            f"{path.parent} holds judgments of other data: task {shown.task.id!r} has another"
            " content there. Use another --out"
        )


def engine_failures(judgments: Iterable[Judgment]) -> str:
    """How many judgments the engine failed on, and the commonest reason; empty for none.

    Raises EngineError where it failed on all.
    """
    total, reasons = 0, Counter[str]()
    for judgment in judgments:
        total += 1
        reasons.update([judgment.detail] * (judgment.status is JudgmentStatus.ENGINE_ERROR))
    if not reasons:
        return ""
    ((reason, _),) = reasons.most_common(1)
    report = (
        f"the engine failed on {reasons.total():,} of {total:,} judgments, most often with:"
        f" {reason}\nThe same command asks for these again"
    )
    if reasons.total() == total:
        raise EngineError(f"nothing could be judged: {report}")
    return report
