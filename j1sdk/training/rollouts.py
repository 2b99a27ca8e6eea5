"""From a trainer's sampled completions to rewards: every task with all of its rollouts.

Trainers hand over a flat batch. Here the rollouts of a task, in both orders, are put together
again, read by the judge's own format, and graded. A batch that holds half a task is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from j1sdk.deliberation import replay
from j1sdk.errors import ConfigError
from j1sdk.evaluation.metrics import measure
from j1sdk.formats import JudgmentFormat
from j1sdk.judge import result_of
from j1sdk.rewards import RewardStrategy
from j1sdk.types import (
    Completion,
    JudgeResult,
    Judgment,
    JudgmentStatus,
    JudgmentTask,
    Presentation,
)


class Rollout(NamedTuple):
    """One completion a trainer sampled."""

    visit: int
    """Which visit to which task: equal for all rollouts that belong together."""
    shown: Presentation
    completion: Completion


class Grader:
    """Grades batches of rollouts with several rewards."""

    def __init__(
        self, format: JudgmentFormat, rewards: Sequence[RewardStrategy], per_visit: int
    ) -> None:
        self.format, self.rewards, self._per_visit = format, rewards, per_visit

    def read(self, rollouts: Sequence[Rollout]) -> list[Judgment]:
        """The judgment of each rollout."""
        return [replay(self.format, one.shown, one.completion) for one in rollouts]

    def grade(
        self, reward: RewardStrategy, rollouts: Sequence[Rollout], judgments: Sequence[Judgment]
    ) -> list[float]:
        """One reward per rollout, unweighted; raises ConfigError where a task is not whole."""
        rewards = [0.0] * len(rollouts)
        for places in self.visits(rollouts):
            task = rollouts[places[0]].shown.task
            graded = reward.grade(task, [judgments[place] for place in places], self.format)
            for place, value in zip(places, graded, strict=True):
                rewards[place] = value
        return rewards

    def visits(self, rollouts: Sequence[Rollout]) -> list[list[int]]:
        """Places of the rollouts that belong together."""
        places: dict[int, list[int]] = defaultdict(list)
        for place, rollout in enumerate(rollouts):
            places[rollout.visit].append(place)
        for visit in places.values():
            if len(visit) != self._per_visit:
                raise ConfigError(
                    f"a batch holds {len(visit)} of a task's {self._per_visit} rollouts; rewards"
                    " over both orders need them all: give each process whole tasks"
                )
        return list(places.values())

    def statistics(
        self, rollouts: Sequence[Rollout], judgments: Sequence[Judgment]
    ) -> dict[str, float]:
        """What a trainer logs beside the rewards: accuracy, flips, ties and failures."""
        results = [
            result
            for places in self.visits(rollouts)
            for result in by_rollout(rollouts, judgments, places)
        ]
        measured = measure(results)
        logged = {
            "judge/accuracy": measured.accuracy,
            "judge/position_consistent_accuracy": measured.position_consistent_accuracy,
            "judge/verdict_flip_rate": measured.verdict_flip_rate,
            "judge/tie_rate": measured.tie_rate,
            "judge/invalid_rate": measured.invalid_rate,
        }
        for status in JudgmentStatus:
            logged[f"judge/status/{status}"] = fmean(one.status is status for one in judgments)
        return {name: value for name, value in logged.items() if value is not None}


def weighted_terms(
    rewards: Sequence[RewardStrategy],
    task: JudgmentTask,
    judgments: Sequence[Judgment],
    format: JudgmentFormat,
) -> list[tuple[float, dict[str, float]]]:
    """Per judgment of a task, the weighted sum of its rewards, and each by name, unweighted."""
    by_reward = [reward.grade(task, judgments, format) for reward in rewards]
    made = []
    for values in zip(*by_reward, strict=True):
        earned = [(one, float(value)) for one, value in zip(rewards, values, strict=True)]
        total = sum(one.weight * value for one, value in earned)
        made.append((total, {one.name: value for one, value in earned}))
    return made


def by_rollout(
    rollouts: Sequence[Rollout], judgments: Sequence[Judgment], places: Sequence[int]
) -> list[JudgeResult]:
    """Rollout i of every presentation of one task, as a result: what one judging would give."""
    by_order: dict[tuple[int, ...], list[Judgment]] = defaultdict(list)
    for place in places:
        by_order[judgments[place].order].append(judgments[place])
    task = rollouts[places[0]].shown.task
    return [result_of(task, siblings) for siblings in zip(*by_order.values(), strict=False)]


Decode = Callable[[Sequence[int]], Completion]


def reward_functions(
    grader: Grader, shown: Sequence[Presentation], decode: Decode
) -> list[Callable[..., list[float]]]:
    """One TRL reward function per reward, named after it, so that TRL logs each by itself.

    `shown` is indexed by the dataset's `row` column; its `visit` column says what belongs
    together. The first function also logs the batch's statistics.
    """

    def function(reward: RewardStrategy, first: bool) -> Callable[..., list[float]]:
        def graded(
            *,
            completion_ids: Sequence[Sequence[int]],
            row: Sequence[int],
            visit: Sequence[int],
            log_metric: Callable[[str, float], None] | None = None,
            **_: Any,
        ) -> list[float]:
            rollouts = [
                Rollout(v, shown[r], decode(ids))
                for ids, r, v in zip(completion_ids, row, visit, strict=True)
            ]
            judgments = grader.read(rollouts)
            if first and log_metric:
                for name, value in grader.statistics(rollouts, judgments).items():
                    log_metric(name, value)
            return grader.grade(reward, rollouts, judgments)

        graded.__name__ = reward.name.replace("-", "_")
        return graded

    return [function(reward, index == 0) for index, reward in enumerate(grader.rewards)]
