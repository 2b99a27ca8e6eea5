"""The contract of benchmarks: every check catches the mistake it is about, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, ClassVar

import pytest

from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.credits import STRICT, Credits
from j1sdk.evaluation.rows import Row
from j1sdk.testing import BenchmarkContract
from j1sdk.types import JudgeResult, JudgmentTask, Presentation


class Two(Benchmark):
    """A sound benchmark of two tasks."""

    name: ClassVar[str] = "two"
    headline: ClassVar[str] = STRICT

    def rows(self) -> Iterator[Row]:
        return iter([Row(f"row {number}", {"id": number}) for number in (1, 2)])

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        yield JudgmentTask.from_pair("q", "a", "b", subset="s", id=row.name("id"))


class TestTwo(BenchmarkContract):
    component = Two()


class One(Two):
    def rows(self) -> Iterator[Row]:
        return iter([Row("row", {"id": 1})])


TIMES = count()


class Restless(Two):
    def read(self, row: Row) -> Iterator[JudgmentTask]:
        for task in super().read(row):
            yield task.model_copy(update={"id": f"{task.id}-{next(TIMES)}"})


class WithoutSubset(Two):
    def read(self, row: Row) -> Iterator[JudgmentTask]:
        for task in super().read(row):
            yield task.model_copy(update={"subset": None})


class WithoutGold(Two):
    def read(self, row: Row) -> Iterator[JudgmentTask]:
        for task in super().read(row):
            yield task.model_copy(update={"preferred": None})


class AllRight(Two):
    def read(self, row: Row) -> Iterator[JudgmentTask]:
        for task in super().read(row):
            yield task.model_copy(update={"ratings": (1.0, 1.0)})


class Unlimited(Two):
    def tasks(self) -> list[JudgmentTask]:
        return [task for row in self.rows() for task in self.read(row)]


class ChosenFirst(Two):
    def presentations(
        self, task: JudgmentTask, arity: int, both_orders: bool = True
    ) -> list[Presentation]:
        shown = super().presentations(task, arity)
        return shown[:1] if arity == 2 else shown


class Upside(Two):
    def credits(self, result: JudgeResult) -> Credits:
        found = super().credits(result)
        return {name: None if one is None else 1 - one for name, one in found.items()}


class Whimsical(Two):
    """Has most scores only for judges that do well."""

    def credits(self, result: JudgeResult) -> Credits:
        found = super().credits(result)
        return found if found[STRICT] == 1 else {STRICT: found[STRICT]}


class ReadsTexts(Two):
    def units(self, results: Iterable[JudgeResult]) -> list[Unit]:
        results = list(results)
        return [
            unit._replace(subset=result.task.responses[0])
            for unit, result in zip(super().units(results), results, strict=True)
        ]


class Generous(Two):
    def credits(self, result: JudgeResult) -> Credits:
        failed = not all(judgment.ok for judgment in result.judgments)
        return {**super().credits(result), **({STRICT: 0.5} if failed else {})}


CAUGHT: list[tuple[Benchmark, str, str]] = [
    (One(), "test_yields_the_same_tasks_each_time", "one task says little"),
    (Restless(), "test_yields_the_same_tasks_each_time", "second reading differs"),
    (WithoutSubset(), "test_gives_each_task_an_id_of_its_own_a_subset_and_gold", "no subset"),
    (WithoutGold(), "test_gives_each_task_an_id_of_its_own_a_subset_and_gold", "no preferred"),
    (AllRight(), "test_gives_each_task_an_id_of_its_own_a_subset_and_gold", "nothing is wrong"),
    (Unlimited(), "test_respects_the_limit", "limit = 1"),
    (ChosenFirst(), "test_shows_both_orders_of_all_that_it_shows", "an order is missing"),
    (Upside(), "test_gives_a_judge_that_is_right_more_than_one_that_is_wrong", "worth as much"),
    (Whimsical(), "test_gives_a_judge_that_is_right_more_than_one_that_is_wrong", "which scores"),
    (ReadsTexts(), "test_scores_without_texts", "records say less"),
    (Generous(), "test_takes_failures", "a failed judgment is worth"),
]


@pytest.mark.parametrize(("benchmark", "check", "complaint"), CAUGHT)
def test_a_mistake_is_caught_and_explained(
    benchmark: Benchmark, check: str, complaint: str
) -> None:
    suite: Any = type("Suite", (BenchmarkContract,), {"component": benchmark})()
    with pytest.raises(AssertionError, match=complaint):
        getattr(suite, check)()


def test_every_check_is_known_to_catch_something() -> None:
    checks = {name for name in dir(BenchmarkContract) if name.startswith("test_")}
    assert checks - {"test_can_be_named_in_a_run_file"} == {check for _, check, _ in CAUGHT}
