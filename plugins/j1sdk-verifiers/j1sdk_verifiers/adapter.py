"""A judge as a judge plugin of verifiers, and of prime-rl through it.

    judges = [{ id = "j1sdk-verifiers", name = "j1", connection = "conf/verifiers.toml" }]

verifiers scores one rollout at a time and hands over no group: a pairwise judge needs a field of
the task that holds a reference answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from j1sdk.adapters import Adapter, Instructions
from j1sdk.adapters.answers import conversation, final_answer, reference_answer
from j1sdk.adapters.scores import UNSCORED_RATE, Item, settled
from j1sdk.errors import DataError, UnscoredError

ENTRY = 'judges = [{{ id = "j1sdk-verifiers", name = "j1", connection = "{file}" }}]'


class Verifiers(Adapter):
    """A judge plugin that verifiers loads by its module's name."""

    name: ClassVar[str] = "verifiers"
    title: ClassVar[str] = "verifiers"
    distribution: ClassVar[str] = "verifiers"
    tested: ClassVar[str] = "0.4.0"
    unscored: Literal["drop", "neutral", "floor"] = "drop"
    """What a rollout without a score gets: `drop` raises, so that its reward stays None, and
    verifiers may try it again; 0.5; 0."""
    answer_field: str = ""
    """The task's field that holds a reference answer, which a pairwise judge needs."""

    def instructions(self, connection: Path) -> Instructions:
        return Instructions(
            where="the task's configuration (TOML: [taskset.task])",
            paste=ENTRY.format(file=connection),
        )

    def problems(self) -> list[str]:
        from importlib.util import find_spec

        try:
            found = find_spec("verifiers.v1.judge")
        except ImportError as error:
            return [f"this verifiers cannot be imported: {error}"]
        return [] if found else ["this verifiers has no verifiers.v1.judge: judges are newer"]


async def scored(adapter: Verifiers, scorer: Any, task: Any, trace: Any) -> float:
    """The reward of a rollout; raises UnscoredError for one that is to have none."""
    answer = getattr(task, adapter.answer_field, None) if adapter.answer_field else None
    if adapter.answer_field and answer is None:
        raise DataError(f"the task has no field {adapter.answer_field!r}, which answer_field names")
    item = Item(
        prompt=conversation(task.prompt_text),
        response=final_answer(trace.last_reply, adapter.show_thinking),
        reference=reference_answer(answer),
    )
    (outcome,) = await scorer.score([item])
    trace.record_metric(UNSCORED_RATE, outcome.score is None)
    (score,) = settled([outcome], adapter.unscored)
    if score is None:
        raise UnscoredError(f"this rollout has no score: {outcome.detail}")
    return score
