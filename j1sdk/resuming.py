"""Whether a folder's judgments are of this judge, and of these tasks."""

from __future__ import annotations

from pathlib import Path

from j1sdk.deliberation import question
from j1sdk.errors import ConfigError
from j1sdk.judge import JudgeRewardModel
from j1sdk.runfile import dump
from j1sdk.types import Judgment, Presentation

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
    if judgment.transcript[: len(asked)] != asked:
        raise ConfigError(
            f"{path.parent} holds judgments of other data: task {shown.task.id!r} has another"
            " content there. Use another --out"
        )
