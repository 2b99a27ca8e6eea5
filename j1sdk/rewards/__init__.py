"""The training reward of a judge's own rollouts, from gold labels.

A reward grades all rollouts of one task at once, whatever order each was shown in, and returns
one number for each. Rewards with `scope = "judgment"` look at one rollout at a time; those with
`scope = "task"` need its siblings, so a trainer must keep them together. Several rewards are
added with their `weight`s, and each is logged by itself.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar, Literal

from j1sdk.component import Component
from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.lazy import lazy
from j1sdk.types import Judgment, JudgmentTask

if TYPE_CHECKING:
    from j1sdk.rewards.format_adherence import FormatAdherence
    from j1sdk.rewards.score_ordering import ScoreOrdering
    from j1sdk.rewards.verdict_consistency import VerdictConsistency
    from j1sdk.rewards.verdict_correctness import VerdictCorrectness

__all__ = [
    "USUAL",
    "FormatAdherence",
    "GoldReward",
    "PairedReward",
    "RewardStrategy",
    "ScoreOrdering",
    "VerdictConsistency",
    "VerdictCorrectness",
    "gold_of",
    "is_correct",
    "paired",
]
__getattr__ = lazy(__name__)

USUAL = {1: "score-ordering", 2: "verdict-correctness"}
"""What a judge is rewarded for by default, by how many responses its format shows."""


class RewardStrategy(Component):
    """One term of the training reward."""

    kind: ClassVar[str] = "rewards"
    scope: ClassVar[Literal["judgment", "task"]]
    arities: ClassVar[tuple[int, ...]] = (1, 2)
    """Which formats it can grade, by how many responses they show."""
    weight: float = 1.0
    """Its share of the reward that is trained on, which is the weighted sum of all terms."""

    @abstractmethod
    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        """One reward per judgment, unweighted. `judgments` are all rollouts of the task."""

    def check(self, format: JudgmentFormat, orders: Literal["both", "first"]) -> None:
        """Raise ConfigError where this reward cannot grade what will be shown."""
        if format.arity not in self.arities:
            wanted = "pairwise" if self.arities == (2,) else "pointwise"
            raise ConfigError(
                f"{self.name} needs a {wanted} format, and {format.name} is not one: set"
                f' train.rewards = ["{USUAL[format.arity]}"]'
            )
        if self.scope == "task" and format.arity == 2 and orders != "both":
            raise ConfigError(f'{self.name} needs both orders of a pair: set orders = "both"')


class GoldReward(RewardStrategy):
    """A reward from comparing a reading with the gold label."""

    right: float = 1.0
    """For a judgment that agrees with gold."""
    wrong: float = 0.0
    """For a judgment that disagrees with gold."""
    tied: float = 0.0
    """No strict winner."""
    unparseable: float = 0.0
    """The reading failed, whatever its status."""

    def value(self, correct: bool | None) -> float:
        """The reward of a readable judgment; None is a tie."""
        return self.tied if correct is None else self.right if correct else self.wrong


class PairedReward(GoldReward):
    """A reward of siblings: a rollout is paired with rollouts of the task's other presentation.

    The paper leaves the pairing open. `index` takes rollout i of both, `all` the mean over every
    rollout of the other presentation, which varies less.
    """

    scope: ClassVar[Literal["judgment", "task"]] = "task"
    pairing: Literal["index", "all"] = "index"
    """Which rollouts of the other presentation a rollout is paired with."""

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        rewards: list[float] = [0.0] * len(judgments)
        for places, mates in paired(task, judgments):
            for rank, place in enumerate(places):
                chosen = mates if self.pairing == "all" else mates[rank : rank + 1]
                own = judgments[place]
                rewards[place] = fmean(self.grade_pair(task, own, judgments[m]) for m in chosen)
        return rewards

    @abstractmethod
    def grade_pair(self, task: JudgmentTask, own: Judgment, mate: Judgment) -> float:
        """The reward of `own` beside one rollout of the other presentation."""


def gold_of(task: JudgmentTask) -> int:
    """The preferred response; raises ConfigError for a task without one."""
    if task.preferred is None:
        raise ConfigError(f"task {task.id} has no preferred response to grade against")
    return task.preferred


def is_correct(task: JudgmentTask, judgment: Judgment) -> bool | None:
    """Whether a readable pairwise judgment names the gold response; None on a tie."""
    verdict = judgment.verdict()
    return None if verdict is None else verdict == gold_of(task)


def paired(task: JudgmentTask, judgments: Sequence[Judgment]) -> list[tuple[list[int], list[int]]]:
    """Places of each presentation's rollouts, with the places of the other's.

    Raises ConfigError unless there are two presentations with equally many rollouts.
    """
    places: dict[tuple[int, ...], list[int]] = {}
    for place, judgment in enumerate(judgments):
        places.setdefault(judgment.order, []).append(place)
    groups = list(places.values())
    if len(groups) != 2 or len(groups[0]) != len(groups[1]):
        counts = {order: len(group) for order, group in places.items()}
        raise ConfigError(
            f"task {task.id} needs rollouts of two presentations, as many of one as of the other;"
            f" got {counts}"
        )
    return [(groups[0], groups[1]), (groups[1], groups[0])]
