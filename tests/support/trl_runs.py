"""Runs of TRL's trainers on a tiny judge, and what they recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PrivateAttr
from transformers import AutoModelForCausalLM, AutoTokenizer

from j1sdk.formats import JudgmentFormat, Reading, Turn
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run
from j1sdk.training.trl import Grpo
from j1sdk.types import Completion, Judgment, JudgmentTask, Presentation


class Recording(VerdictCorrectness):
    """Rewards verdicts as its base does, under its name, and remembers what it was given."""

    _seen: list[tuple[str, Counter[tuple[int, ...]]]] = PrivateAttr(default_factory=list)

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        self._seen.append((task.id, Counter(judgment.order for judgment in judgments)))
        return super().grade(task, judgments, format)


GRPO = {
    "name": "grpo", "steps": 2, "tasks_per_step": 2, "rollouts": 4, "learning_rate": 1e-3,
    "logging_steps": 1, "report_to": [],
}  # fmt: skip
SFT = {"name": "sft", "batch_size": 8, "logging_steps": 1, "report_to": [], "learning_rate": 1e-2}


class Twice(PairwiseVerdict):
    """Asks again."""

    name: ClassVar[str] = "twice"

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        yield Turn(say=self.render(shown))
        return (yield from super().deliberate(shown))


def recording(run: Run) -> tuple[Run, Recording]:
    assert isinstance(run.train, Grpo)
    reward = Recording()
    trainer = run.train.model_copy(update={"rewards": (reward,)})
    return run.model_copy(update={"train": trainer}), reward


def opened(directory: Path) -> tuple[Any, Any]:
    model = AutoModelForCausalLM.from_pretrained(directory)
    return model, AutoTokenizer.from_pretrained(directory)
