"""A judge as the training target of a framework that is started by its own command.

    j1 export RUN.toml --for verl --to DIR

The run's `grpo` is written as that framework's data and reward: a line of `rows.jsonl` for every
presentation, those of a task side by side and in the order of TRL's batches; and the run file, by
which a process of the framework grades each rollout with the judge's own format and rewards.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import ClassVar, NamedTuple

from j1sdk.adapters import Instructions
from j1sdk.adapters.groups import Gathered
from j1sdk.component import Component, Value
from j1sdk.deliberation import replay
from j1sdk.engines.chat import load_tokenizer
from j1sdk.errors import ConfigError, TrainingError
from j1sdk.judge import JudgeRewardModel
from j1sdk.run import Run, read_run
from j1sdk.training.layout import Asker, context_limit, fitting_tasks, shuffled
from j1sdk.training.multitask import checked
from j1sdk.training.rollouts import weighted_terms
from j1sdk.training.trl import Grpo
from j1sdk.types import Completion, Conversation, Judgment, JudgmentTask, Presentation

__all__ = [
    "ROWS_FILE",
    "RUN_FILE",
    "Export",
    "Grade",
    "LaidOut",
    "OneByOneGrader",
    "PromptRow",
    "RolloutLabel",
    "open_grader",
]

ROWS_FILE, RUN_FILE = "rows.jsonl", "run.toml"
"""What is written into the folder of an export."""


class RolloutLabel(Value):
    """What a rollout is graded by."""

    visit: int
    """Which visit to which task: equal for all rollouts that belong together."""
    task: JudgmentTask
    """With its responses and the preferred one."""
    order: tuple[int, ...]
    """The responses that were shown."""

    @property
    def shown(self) -> Presentation:
        return Presentation(task=self.task, order=self.order)


class PromptRow(NamedTuple):
    """One presentation to be sampled from."""

    prompt: Conversation
    label: RolloutLabel


class LaidOut(NamedTuple):
    """A training, laid out."""

    train: Grpo
    judge: JudgeRewardModel
    model: str
    """Whose weights are trained."""
    rows: Sequence[PromptRow]
    presentations: int
    """Of each task."""
    longest: int
    """Tokens of the longest prompt."""


class Export(Component):
    """A framework that can train a judge."""

    kind: ClassVar[str] = "exports"
    title: ClassVar[str] = ""
    """What the framework is called."""
    tested: ClassVar[str] = ""
    """The version the export was run with."""
    scopes: ClassVar[frozenset[str]] = frozenset({"judgment", "task"})
    """Rewards it can compute: those of a rollout, and those of a task's rollouts together."""

    @abstractmethod
    def instructions(self, made: LaidOut, folder: Path) -> Instructions:
        """What to write into the folder beside the run file, and how training is started."""

    def lay_out(self, run: Run) -> LaidOut:
        """The rows of the run's training; raises ConfigError for what cannot work, DataError."""
        train = grpo_of(run)
        checked(run.judge, train.rewards)
        for reward in train.rewards:
            if reward.scope not in self.scopes:
                raise ConfigError(
                    f"{reward.name} compares rollouts of both orders, and {self.title} hands over"
                    " those of one prompt: train with TRL, OpenRLHF or verl, or leave it out"
                )
        assert run.judge.engine.local is not None  # `Grpo.check` saw to it
        model = run.judge.engine.local.model
        asker, new = Asker(run.judge, load_tokenizer(model)), run.judge.sampling.max_new_tokens
        context = context_limit(run.judge)
        room = context - new if context else None
        tasks = fitting_tasks([asker], train.source(run).load(), room, train.drop_long)
        visited = list(islice(shuffled(tasks, run.seed), train.visits(len(tasks))))
        rows = [
            PromptRow(asker.prompt(shown), RolloutLabel(visit=visit, task=task, order=shown.order))
            for visit, task in enumerate(visited)
            for shown in run.judge.presentations(task)
        ]
        longest = max(map(asker.longest, tasks))
        return LaidOut(train, run.judge, model, rows, len(rows) // len(visited), longest)


def grpo_of(run: Run) -> Grpo:
    """What trains the run's judge; raises ConfigError where that cannot be exported."""
    if not isinstance(run.train, Grpo):
        name = run.train.name if run.train else "nothing"
        raise ConfigError(f'the run trains by {name}: set train.name = "grpo" to export it')
    if run.train.multitask:
        raise ConfigError("one format is exported: leave train.multitask out")
    run.train.check(run)
    return run.train


class Grade(NamedTuple):
    """What a rollout of the judge earned."""

    reward: float
    """The weighted sum of the terms."""
    terms: dict[str, float]
    """By reward, unweighted."""
    judgment: Judgment


class OneByOneGrader:
    """Grades rollouts that a framework hands over one by one, in one process."""

    def __init__(self, run: Run, rollouts: int, wait: float) -> None:
        """`rollouts` are those of one prompt; `wait` seconds are for those of a task to come."""
        self.judge, self.rewards = run.judge, grpo_of(run).rewards
        self._rollouts, self._wait = rollouts, wait
        self._together: dict[int, Gathered[ReadRollout, Grade]] = {}

    @property
    def needs_task(self) -> bool:
        """Whether a rollout can only be graded with all others of its task."""
        return any(reward.scope == "task" for reward in self.rewards)

    async def grade(self, label: RolloutLabel, completion: Completion) -> Grade:
        """The grade of a rollout, once those of its task are there if they are needed.

        Raises TrainingError where they do not come.
        """
        rolled = ReadRollout(label, replay(self.judge.format, label.shown, completion))
        if not self.needs_task:
            return self._graded([rolled])[0]
        size = self._rollouts * len(self.judge.presentations(label.task))
        return await self._gathered(size).join(label.visit, rolled)

    def _gathered(self, size: int) -> Gathered[ReadRollout, Grade]:
        if size not in self._together:
            self._together[size] = Gathered(self._grade_all, size, self._wait, self._late)
        return self._together[size]

    async def _grade_all(self, rolled: Sequence[ReadRollout]) -> list[Grade]:
        return self._graded(rolled)

    def _graded(self, rolled: Sequence[ReadRollout]) -> list[Grade]:
        """The grades of a task's rollouts."""
        task, judgments = rolled[0].label.task, [one.judgment for one in rolled]
        by_judgment = weighted_terms(self.rewards, task, judgments, self.judge.format)
        return [
            Grade(total, terms, judgment)
            for (total, terms), judgment in zip(by_judgment, judgments, strict=True)
        ]

    def _late(self, came: int) -> Grade:
        raise TrainingError(
            f"only {came} rollouts of a task came to this process in {self._wait:g} s, and a reward"
            " compares those of both orders: keep one reward worker, and do not shuffle the rows"
        )


class ReadRollout(NamedTuple):
    """A rollout that was read."""

    label: RolloutLabel
    judgment: Judgment


def open_grader(file: str | Path, rollouts: int, wait: float) -> OneByOneGrader:
    """The grader of a run file that was exported; raises ConfigError."""
    return OneByOneGrader(read_run(Path(file)), rollouts, wait)
