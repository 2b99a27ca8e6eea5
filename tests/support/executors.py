"""An executor of ours, called as OpenRLHF calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from j1sdk_openrlhf.executor import PairedExecutor
from rollout_engine import Engine, params

from j1sdk import (
    JudgeRewardModel,
    JudgmentFormat,
    JudgmentTask,
    PairwiseVerdict,
    RewardStrategy,
    Sampling,
    Scripted,
)
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.training.multitask import Assignment, parts_of

VERDICT = PairwiseVerdict()
TASK = JudgmentTask.from_pair("2+2?", "four", "five", id="sum")


def executor(*rewards: RewardStrategy, form: JudgmentFormat = VERDICT, **o: Any) -> PairedExecutor:
    judge = JudgeRewardModel(
        format=form, engine=Scripted(), sampling=Sampling(max_new_tokens=o.pop("new", 400))
    )
    formats = o.pop("multitask", ())
    return PairedExecutor(parts_of(judge, formats, rewards or (VerdictConsistency(),)), **o)


def roll(
    paired: PairedExecutor, engine: Engine, tokenizer: Any, n: int, task: JudgmentTask = TASK,
    max_length: int = 4000, part: int = 0, **sampling: Any,
) -> list[dict[str, Any]]:  # fmt: skip
    """A group of n, as OpenRLHF asks for one."""
    label = Assignment(part=part, task=task).model_dump_json()

    async def group() -> list[dict[str, Any]]:
        shared = params(**sampling)
        waiting = [
            paired.execute("P", label, shared, max_length, tokenizer, engine, images=None)
            for _ in range(n)
        ]
        return list(await asyncio.gather(*waiting))

    return asyncio.run(group())


def first(text: str, call: int = 0) -> str:
    """A judge with nothing but position bias."""
    return VERDICT.write((1.0, 0.0))


def right(text: str, call: int = 0) -> str:
    """A judge that is always right."""
    return VERDICT.write((1.0, 0.0) if text.index("four") < text.index("five") else (0.0, 1.0))


def rewards(rolled: Sequence[dict[str, Any]]) -> list[float]:
    return [one["reward"] for one in rolled]
