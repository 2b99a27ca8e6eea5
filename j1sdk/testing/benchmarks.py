"""What must hold for a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.bootstrap import scores_of
from j1sdk.evaluation.credits import STRICT
from j1sdk.evaluation.records import results_of
from j1sdk.judge import result_of
from j1sdk.judgments import records_of
from j1sdk.testing.components import ComponentContract
from j1sdk.types import JudgeResult, Judgment, JudgmentStatus, JudgmentTask

ARITIES: tuple[Literal[1, 2], ...] = (1, 2)


class BenchmarkContract(ComponentContract):
    """Checks of a `Benchmark`, which must have at least two tasks. They are read several times."""

    component: Benchmark
    abstract = Benchmark

    def test_yields_the_same_tasks_each_time(self) -> None:
        tasks = self.component.tasks()
        assert len(tasks) > 1, "a contract about one task says little"
        assert tasks == self.component.tasks(), "the second reading differs"

    def test_gives_each_task_an_id_of_its_own_a_subset_and_gold(self) -> None:
        tasks = self.component.tasks()
        assert len({task.id for task in tasks}) == len(tasks), "an id is used twice"
        for task in tasks:
            assert task.subset, f"task {task.id} has no subset"
            assert task.golds, f"task {task.id} has no preferred response"
            assert len(task.golds) < len(task.responses), f"{task.id}: nothing is wrong"

    def test_respects_the_limit(self) -> None:
        limited = self.component.model_copy(update={"limit": 1}).tasks()
        assert limited == self.component.tasks()[:1], "limit = 1 is not the first task"

    def test_shows_both_orders_of_all_that_it_shows(self) -> None:
        for task in self.component.tasks():
            both = {shown.order for shown in self.component.presentations(task, 2)}
            assert {order[::-1] for order in both} == both, f"{task.id}: an order is missing"
            once = self.component.presentations(task, 2, both_orders=False)
            assert 2 * len(once) == len(both), f"{task.id}: one order is not half of both"

    def test_gives_a_judge_that_is_right_more_than_one_that_is_wrong(self) -> None:
        for arity in ARITIES:
            right, wrong = self._judged(arity, _right), self._judged(arity, _wrong)
            if not right:
                continue
            best, worst = self._scores(right), self._scores(wrong)
            assert best.keys() == worst.keys(), "which scores there are depends on the judge"
            assert all(best[name] > worst[name] for name in best), "being wrong is worth as much"
            assert best[STRICT] == 1 and worst[STRICT] == 0

    def test_scores_without_texts(self) -> None:
        for arity in ARITIES:
            results = self._judged(arity, _right)
            recorded = results_of(records_of(results))
            same = self.component.units(recorded) == self.component.units(results)
            assert same, "records say less than results"

    def test_takes_failures(self) -> None:
        for arity in ARITIES:
            if failed := self._judged(arity, lambda task, shown: None):
                assert self._scores(failed)[STRICT] == 0, "a failed judgment is worth something"

    def _scores(self, results: list[JudgeResult]) -> dict[str, float]:
        found = scores_of(self.component, self.component.units(results))
        return {score.name: score.value for score in found}

    def _judged(
        self, arity: Literal[1, 2], says: Callable[[JudgmentTask, int], float | None]
    ) -> list[JudgeResult]:
        """Every task that can be shown, judged by what `says` gives each response."""
        tasks = self.component.tasks()
        shown = [(task, self.component.presentations(task, arity)) for task in tasks]
        return [
            result_of(task, [_judgment(task, one.order, says) for one in presented])
            for task, presented in shown
            if presented
        ]


def _right(task: JudgmentTask, response: int) -> float:
    return float(response in task.golds)


def _wrong(task: JudgmentTask, response: int) -> float:
    return 1.0 - _right(task, response)


def _judgment(
    task: JudgmentTask, order: tuple[int, ...], says: Callable[[JudgmentTask, int], float | None]
) -> Judgment:
    scores = tuple(found for one in order if (found := says(task, one)) is not None)
    return Judgment(
        task_id=task.id,
        order=order,
        scores=scores or None,
        status=JudgmentStatus.OK if scores else JudgmentStatus.UNPARSEABLE,
    )
