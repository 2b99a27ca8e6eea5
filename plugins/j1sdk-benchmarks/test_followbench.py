"""FollowBench: levels and types by hand, from what the builder makes, and from bad files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmark_results import always_first, judged, longer, result, scores, verdict
from j1sdk_benchmarks.followbench import FollowBench

from j1sdk import DataError, JudgmentTask, Scores
from j1sdk.evaluation.credits import CONSISTENT, STRICT
from j1sdk.types import JudgeResult

PAIR = {"id": "style-1-L3", "subset": "style/L3", "prompt": "?", "chosen": "yes", "rejected": "no"}


def pairs(folder: Path, *changes: dict[str, Any]) -> FollowBench:
    path = folder / "pairs.jsonl"
    lines = [json.dumps({**PAIR, "id": f"pair-{n}", **one}) for n, one in enumerate(changes)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return FollowBench(path=path)


def judged_pair(subset: str, number: int, right: bool, also_swapped: bool) -> JudgeResult:
    task = JudgmentTask.from_pair("?", "a", "b", subset=subset, id=f"{subset}-{number}")
    first, second = verdict(right, 0.5), verdict(0.5, also_swapped)
    return result(task, {(0, 1): first, (1, 0): second})


def test_a_pair_has_the_better_response_first_in_the_index(tmp_path: Path) -> None:
    (task,) = pairs(tmp_path, {}).tasks()
    assert (task.responses, task.preferred) == (("yes", "no"), 0)
    assert (task.subset, task.id) == ("style/L3", "pair-0")


def test_a_judge_that_is_right_in_one_order_only_gets_nothing(tmp_path: Path) -> None:
    benchmark = pairs(tmp_path, {}, {"subset": "content/L1"})
    found = scores(benchmark, judged(benchmark, always_first))
    assert found[STRICT] == 0.5
    assert found[benchmark.headline] == found[CONSISTENT] == found["L1"] == found["style"] == 0.0


def test_levels_and_types_are_over_the_pairs_they_have() -> None:
    results = [
        judged_pair("style/L1", 0, True, True),
        judged_pair("style/L2", 0, True, False),
        judged_pair("style/L2", 1, True, True),
        judged_pair("content/L2", 0, False, False),
        judged_pair("format/L5", 0, True, True),
    ]
    found = scores(FollowBench(), results)
    assert found[CONSISTENT] == pytest.approx(3 / 5)
    assert found["L1"] == 1.0 and found["L2"] == pytest.approx(1 / 3) and found["L5"] == 1.0
    assert found["style"] == pytest.approx(2 / 3) and found["content"] == 0.0
    assert not found.keys() & {"L3", "L4", "situation", "example"}
    assert list(found)[-6:] == ["L1", "L2", "L5", "content", "format", "style"]


def test_one_order_gives_no_headline(tmp_path: Path) -> None:
    benchmark = pairs(tmp_path, {}, {})
    found = scores(benchmark, judged(benchmark, longer, both_orders=False))
    assert STRICT in found and CONSISTENT not in found and "L3" not in found


def test_a_pointwise_judge_is_consistent_where_it_is_right(tmp_path: Path) -> None:
    benchmark = pairs(tmp_path, {}, {"chosen": "n", "rejected": "no"})
    found = scores(benchmark, judged(benchmark, longer, arity=1))
    assert found[CONSISTENT] == found["L3"] == 0.5


LEVELS = {"L1": 66.0, "L2": 61.9, "L3": 56.4, "L4": 53.8, "L5": 48.5}
SIZES = {"L1": 47, "L2": 42, "L3": 39, "L4": 39, "L5": 33}


def test_published_levels_come_of_so_many_pairs() -> None:
    """EvalPlanner's levels; how many pairs each has is inferred from their decimals."""
    results = []
    for level, size in SIZES.items():
        won = round(size * LEVELS[level] / 100)
        results += [judged_pair(f"style/{level}", n, n < won, n < won) for n in range(size)]
    found = scores(FollowBench(), results)
    assert {level: round(100 * found[level], 1) for level in LEVELS} == LEVELS


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"subset": "style"}, "subset: expected <type>/L<level>, such as style/L3, got 'style'"),
        ({"subset": "style/L6"}, "subset: expected <type>/L<level>"),
        ({"subset": "style/L0"}, "subset: expected <type>/L<level>"),
        ({"subset": None}, "subset: expected a string, got nothing"),
        ({"chosen": None}, "chosen: expected a string, got nothing"),
        ({"id": None}, "id: expected a string or a whole number, got nothing"),
    ],
)
def test_a_bad_pair_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    benchmark = pairs(tmp_path, {}, change)
    with pytest.raises(DataError) as caught:
        benchmark.tasks()
    assert str(caught.value).startswith(f"{benchmark.path}, line 2: {complaint}")


def test_that_the_original_pairs_are_not_public_is_said() -> None:
    with pytest.raises(DataError, match=r"never published. Make some with .* followbench-pairs"):
        FollowBench().tasks()


def test_nothing_but_the_subset_tells_the_level(tmp_path: Path) -> None:
    tied: Scores = (0.5, 0.5)
    benchmark = pairs(tmp_path, {"id": 7, "subset": "example/L4"})
    found = scores(benchmark, judged(benchmark, lambda task, order: tied))
    assert found["L4"] == found["example"] == 0.0
