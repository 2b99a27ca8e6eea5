"""The experiment with several starts: what is trained, how it is paired, and its arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from learning import Recipe, sums, tossed
from learnt import ALPHA, SignTest, right_in, right_in_both, sign_test

from j1sdk import JudgeResult, Judgment, JudgmentStatus, JudgmentTask
from j1sdk.evaluation.metrics import measure
from j1sdk.judge import result_of

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TASK = JudgmentTask.from_pair("07+04", "011", "012", id="one")


@pytest.fixture
def learning(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return __import__("openrlhf_learning")


def judged(*winners: int) -> JudgeResult:
    """What is preferred in each order, (0,1) first."""
    judgments = [
        Judgment(
            task_id=TASK.id, order=order, status=JudgmentStatus.OK,
            scores=(1.0, 0.0) if order[0] == winner else (0.0, 1.0),
        )
        for order, winner in zip(((0, 1), (1, 0)), winners, strict=True)
    ]  # fmt: skip
    return result_of(TASK, judgments)


RIGHT, FIRST, WRONG = judged(0, 0), judged(0, 1), judged(1, 1)


def test_a_sign_test_counts_only_where_two_differ() -> None:
    found = sign_test([True] * 12 + [False] * 5, [True] * 2 + [False] * 14 + [True])
    assert found[:2] == (10, 1)
    assert found.p == pytest.approx(12 / 2**11)
    assert sign_test([True], [True]) == SignTest(0, 0, 1.0)
    assert str(SignTest(9, 1, 0.0107)) == "9:1, p = 1.1e-02"


def test_pairs_are_right_in_an_order_or_in_both() -> None:
    results = [RIGHT, FIRST, WRONG]
    assert right_in(results, "0,1") == [True, True, False]
    assert right_in(results, "1,0") == [True, False, False]
    assert right_in_both(results) == [True, False, False]


def test_tosses_are_on_the_same_tasks_in_the_same_order(tmp_path: Path) -> None:
    plain = sums(Recipe(steps=50), seed=3)
    tasks, others = plain.load(), tossed(plain, tmp_path / "tosses.jsonl").load()
    assert [one.id for one in tasks] == [one.id for one in others]
    assert [sorted(one.responses) for one in tasks] == [sorted(one.responses) for one in others]
    turned = [one.responses != other.responses for one, other in zip(tasks, others, strict=True)]
    assert 0.4 < sum(turned) / len(turned) < 0.6


def test_starts_are_paired_and_pilots_are_none_of_them(learning: Any) -> None:
    setting = learning.Setting()
    assert len(setting.starts) >= 5 and not set(setting.starts) & set(setting.pilots)
    for labels, tosses in setting.paired:
        assert labels == tosses._replace(by=learning.LABELS) and labels != tosses
        assert labels.recipe == setting.recipe and not labels.pilot
    assert len({trial.name for trial in setting.trials}) == len(setting.trials)


def found_in(learning: Any, setting: Any, results: dict[str, list[JudgeResult]]) -> dict[Any, Any]:
    """All trials, as if every judge that was trained by something had judged so."""

    def measured(by: str) -> Any:
        drawn = learning.Drawn(measure(results[by]), right_in_both(results[by]))
        return {name: [drawn] * len(draws) for name, draws in learning.DRAWS.items()}

    steps = range(setting.every, setting.recipe.steps + 1, setting.every)
    return {
        trial: {0: measured("start"), **dict.fromkeys(steps, measured(trial.by))}
        for trial in setting.trials
    }


def test_what_was_not_learnt_stays_in_the_table(learning: Any) -> None:
    setting = learning.Setting(starts=range(2), pilots=())
    results = {"start": [FIRST] * 4, "labels": [RIGHT, FIRST] * 2, "tosses": [FIRST] * 4}
    found = found_in(learning, setting, results)
    rows = list(learning.table(found, setting))
    assert len(rows) == 2 * (1 + 2 * 3), "a start is told once"
    assert {row["consistent, T = 1"] for row in rows if row["by"] == "tosses"} == {0.0}
    gains = learning.gains(rows, setting)
    assert gains["consistent, greedy, labels less tosses, step 30"].startswith("+0.500, 95%")
    assert gains["flips, T = 1, labels less tosses, step 10"].endswith("(-0.500, -0.500)")
    assert [row[learning.APART] for row in rows if row[learning.APART]] == ["2:0", "2:0"]


def test_other_starts_are_added_to_those_recorded(learning: Any, tmp_path: Path) -> None:
    setting = learning.Setting(starts=(7,), pilots=())
    recorded = json.loads((BENCHMARKS / "results" / "openrlhf_learning.json").read_text())
    known = learning.recorded(BENCHMARKS / "results", setting)
    assert known.rows == recorded["rows"] and known.told == (recorded["facts"]["starts"],)
    again = learning.gains(known.rows, setting)
    assert again == {name: recorded["facts"][name] for name in again}
    assert learning.rejections(known.rows) == recorded["facts"]["sign_test"]
    learning.draw(known.rows, tmp_path / "drawn.svg")
    assert (tmp_path / "drawn.svg").stat().st_size > 1000
    for starts, recipe in (((0,), setting.recipe), ((7,), Recipe(steps=2))):
        with pytest.raises(SystemExit, match="no --add"):
            learning.recorded(BENCHMARKS / "results", learning.Setting(starts, recipe))


def test_a_new_start_fails_more_often_the_more_the_known_ones_differ(learning: Any) -> None:
    alike, unlike = ([SignTest(won, 2, 0.0) for won in wins]
                     for wins in ([190, 200, 210], [30, 200, 250]))  # fmt: skip
    assert learning.chance_to_fail(alike) < 0.005 < learning.chance_to_fail(unlike) < 0.5
    assert ALPHA < 0.005
