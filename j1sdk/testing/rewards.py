"""What must hold for a reward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Literal

from j1sdk.data import gold_scores
from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.formats.pointwise import Pointwise
from j1sdk.rewards import RewardStrategy
from j1sdk.testing.components import ComponentContract
from j1sdk.testing.judges import example_tasks, judged
from j1sdk.types import Judgment, JudgmentTask, presentations


class RewardContract(ComponentContract):
    """Checks of a `RewardStrategy`."""

    component: RewardStrategy
    abstract = RewardStrategy
    failed: float = 0.0
    """What it declares a judgment to earn that could not be read."""

    def test_gives_one_reward_per_judgment(self) -> None:
        for count in (1, 2, 5):
            for task, rollouts in self._groups([True, None, False][:count] * 2):
                rewards = self._grade(task, rollouts)
                assert len(rewards) == len(rollouts), "not one reward per judgment"
                assert all(map(math.isfinite, rewards)), f"{rewards} are not all finite"

    def test_gives_failed_judgments_what_it_declares(self) -> None:
        for plan in ([None], [True, None], [None, False, None]):
            for task, rollouts in self._groups(plan):
                for judgment, reward in zip(rollouts, self._grade(task, rollouts), strict=True):
                    assert judgment.ok or reward == self.failed, f"a failed one earns {reward}"

    def test_does_not_depend_on_how_siblings_are_mixed(self) -> None:
        for task, rollouts in self._groups([True, None, False, True]):
            half = len(rollouts) // 2
            rewards = self._grade(task, rollouts)
            swapped = self._grade(task, rollouts[half:] + rollouts[:half])
            assert swapped == rewards[half:] + rewards[:half], "the order of groups counts"
            mixed = self._grade(task, [*chain(*zip(rollouts[:half], rollouts[half:], strict=True))])
            wanted = [*chain(*zip(rewards[:half], rewards[half:], strict=True))]
            assert mixed == wanted, "it counts how the groups are mixed"

    def test_judges_each_rollout_alone_if_it_says_so(self) -> None:
        for task, rollouts in self._groups([True, None, False]):
            if self.component.scope == "judgment":
                alone = [self._grade(task, [one])[0] for one in rollouts]
                assert alone == self._grade(task, rollouts), 'siblings count: scope = "task"'

    def test_does_not_pay_for_being_wrong(self) -> None:
        for (task, right), (_, wrong) in zip(
            self._groups([True, True]), self._groups([False, False]), strict=True
        ):
            assert sum(self._grade(task, right)) >= sum(self._grade(task, wrong)), "wrong pays"

    def test_leaves_the_weight_to_the_trainer(self) -> None:
        heavy = self.component.model_copy(update={"weight": 1000.0})
        for task, rollouts in self._groups([True, False]):
            weighted = heavy.grade(task, rollouts, self._format)
            assert weighted == self._grade(task, rollouts), "the weight is applied twice"

    def test_refuses_what_it_cannot_grade(self) -> None:
        forms: tuple[JudgmentFormat, ...] = (Pointwise(), PairwiseVerdict())
        for form in forms:
            fits = form.arity in self.component.arities
            assert self._accepts(form, "both") == fits, f"check is wrong about {form.name}"
            needs_both = self.component.scope == "task" and form.arity == 2
            assert not needs_both or not self._accepts(form, "first"), "it needs both orders"

    @property
    def _format(self) -> JudgmentFormat:
        return PairwiseVerdict() if 2 in self.component.arities else Pointwise()

    def _groups(self, plan: Sequence[bool | None]) -> list[tuple[JudgmentTask, list[Judgment]]]:
        """Each example task with these rollouts of both presentations: right, wrong or failed."""
        return [(task, self._rollouts(task, plan)) for task in example_tasks()]

    def _rollouts(self, task: JudgmentTask, plan: Sequence[bool | None]) -> list[Judgment]:
        form, made = self._format, []
        for shown in presentations(task, form.arity):
            gold = gold_scores(shown, form)
            wrong = tuple(sum(form.score_range) - score for score in gold)
            scores = {True: gold, False: wrong, None: None}
            made += [judged(form, shown, scores[right]) for right in plan]
        return made

    def _grade(self, task: JudgmentTask, judgments: Sequence[Judgment]) -> list[float]:
        return self.component.grade(task, judgments, self._format)

    def _accepts(self, format: JudgmentFormat, orders: Literal["both", "first"]) -> bool:
        try:
            self.component.check(format, orders)
        except ConfigError:
            return False
        return True
