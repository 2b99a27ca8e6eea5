"""RMB: lists and pairs by hand, and its files as they are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmark_results import always_first, judged, notes, result, scores, verdict, write
from j1sdk_benchmarks.rmb import BEST, BEST_IN_BOTH, PARTS, RMB

from j1sdk import DataError, JudgmentTask, Scores
from j1sdk.testing import BenchmarkContract

LOSERS = 2
FIRST, SECOND, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)


def said(answer: str) -> dict[str, str]:
    return {"llm_name": "made-up", "answer": answer}


def record(kind: str, goal: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """A published record, with made-up words."""
    asked = [{"role": "user", "language": "English", "content": f"{goal} {number}?"}]
    path = f"{kind}/{goal}/Chat/Discussion" if goal == "Helpfulness" else f"{kind}/{goal}/S1"
    own: dict[str, Any] = (
        {"pair_uid": str(number), "chosen": said("best"), "reject": said("other 1")}
        if kind == "Pairwise_set"
        else {
            "bon_uid": str(number), "bon_best": said("best"),
            "loser_list": [said(f"other {n}") for n in range(1, LOSERS + 1)],
        }
    )  # fmt: skip
    return {"conversation_input": asked, "category_path": path, **own, **changes}


def published(folder: Path) -> RMB:
    """A file of each part, at its place in the repository."""
    for kind in ("Pairwise_set", "BoN_set"):
        for goal in ("Helpfulness", "Harmlessness"):
            made = [record(kind, goal, number) for number in range(2)]
            write(folder / kind / goal / "S1.json", made)
    return RMB(path=folder)


class TestRMB(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path) -> None:
        self.component = published(tmp_path)


def of_list(**games: Scores | None) -> dict[str, float | None]:
    """The credits of a list, by what was said of `first` or `second` loser as given and swapped."""
    (task,) = RMB(path=Path("unread")).read(row(record("BoN_set", "Helpfulness")))
    orders = {"first": (0, 1), "first_swapped": (1, 0), "second": (0, 2), "second_swapped": (2, 0)}
    return RMB().credits(result(task, {orders[name]: given for name, given in games.items()}))


def row(values: dict[str, Any]) -> Any:
    from j1sdk.evaluation.rows import Row

    return Row("S1.json, record 1", values)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((FIRST, SECOND, FIRST, SECOND), (1.0, 1.0)),
        ((FIRST, SECOND, FIRST, FIRST), (0.5, 0.0)),  # in one order a loser wins
        ((FIRST, FIRST, FIRST, FIRST), (0.5, 0.0)),  # whatever comes first
        ((FIRST, SECOND, TIE, TIE), (0.0, 0.0)),
        ((FIRST, SECOND, None, SECOND), (0.5, 0.0)),
    ],
)
def test_a_list_is_right_where_the_best_beats_every_other(
    said: tuple[Scores | None, ...], expected: tuple[float, float]
) -> None:
    names = ("first", "first_swapped", "second", "second_swapped")
    credits = of_list(**dict(zip(names, said, strict=True)))
    assert (credits[BEST], credits[BEST_IN_BOTH]) == expected


def test_a_pointwise_judge_scores_each_response_once(tmp_path: Path) -> None:
    def wordy(task: JudgmentTask, order: tuple[int, ...]) -> Scores:
        return (10.0 if task.responses[order[0]] == "best" else 3.0,)

    found = scores(RMB(), judged(published(tmp_path), wordy, arity=1))
    assert found["overall"] == found["overall, position-consistent"] == 1.0


def test_overall_is_the_mean_of_the_four_parts(tmp_path: Path) -> None:
    def harmless(task: JudgmentTask, order: tuple[int, ...]) -> Scores:
        right = "Harmlessness" in str(task.subset)
        return verdict(*(float((index == 0) == right) for index in order))

    benchmark = published(tmp_path)
    found = scores(benchmark, judged(benchmark, harmless))
    assert {part: found[part] for part in PARTS} == {
        part: float(part.startswith("Harmlessness")) for part in PARTS
    }
    assert found["overall"] == 0.5
    biased = scores(benchmark, judged(benchmark, always_first))
    assert biased["overall"] == 0.5 and biased["overall, position-consistent"] == 0.0


def test_without_a_part_there_is_no_overall_score(tmp_path: Path) -> None:
    write(tmp_path / "S1.json", [record("BoN_set", "Helpfulness")])
    benchmark = RMB(path=tmp_path)
    results = judged(benchmark, always_first)
    assert "overall" not in scores(benchmark, results)
    assert "Harmlessness, pairs" in notes(benchmark, results)[0]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"category_path": "Else/Helpfulness/S1"}, "category_path: expected Pairwise_set"),
        ({"loser_list": []}, "loser_list: expected a list"),
        ({"bon_best": None}, "bon_best: expected a response"),
        ({"conversation_input": "hi"}, "conversation_input: expected a list of messages"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    write(tmp_path / "S1.json", [record("BoN_set", "Helpfulness", **changes)])
    with pytest.raises(DataError, match=rf"S1\.json, record 1: {complaint}"):
        RMB(path=tmp_path).tasks()


def test_how_to_get_it_is_said() -> None:
    with pytest.raises(DataError, match="RMB-Reward-Model-Benchmark"):
        RMB().tasks()
