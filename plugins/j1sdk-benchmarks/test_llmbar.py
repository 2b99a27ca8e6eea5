"""LLMBar: by hand, against its authors' own figures, and judged whole by judges of known bias."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from benchmark_results import (
    SHARED,
    always_first,
    judged,
    longer,
    needs_shared_data,
    notes,
    result,
    scores,
    write,
)
from j1sdk_benchmarks.llmbar import ADVERSARIAL, AGREEMENT, OFFICIAL, SETS, LLMBar

from j1sdk import DataError, JudgeRewardModel, JudgmentTask, PairwiseVerdict, Pointwise, Scores
from j1sdk.evaluation.credits import CONSISTENT, STRICT
from j1sdk.evaluation.evaluations import Evaluated
from j1sdk.judging import judge_benchmark
from j1sdk.testing.judges import always_first as first_engine
from j1sdk.testing.judges import oracle
from j1sdk.types import JudgeResult

PUBLISHED = SHARED / "LLMBar" / "Dataset" / "LLMBar"
COUNTS = {"Natural": 100, "Neighbor": 134, "GPTInst": 92, "GPTOut": 47, "Manual": 46}
FIRST, SECOND, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)


def pair(
    as_given: Scores | None, swapped: Scores | None, subset: str = "Natural", number: int = 0
) -> JudgeResult:
    """A pair whose first output is the better one; `swapped` are scores as shown."""
    task = JudgmentTask.from_pair("?", "a", "b", subset=subset, id=f"{subset}/{number}")
    return result(task, {(0, 1): as_given, (1, 0): swapped})


def credit(one: JudgeResult) -> tuple[float | None, float | None, float | None]:
    known = LLMBar().credits(one)
    return known[OFFICIAL], known[CONSISTENT], known[AGREEMENT]


@pytest.mark.parametrize(
    ("as_given", "swapped", "expected"),
    [
        (FIRST, SECOND, (1.0, 1.0, 1.0)),
        (FIRST, FIRST, (0.5, 0.0, 0.0)),
        (SECOND, FIRST, (0.0, 0.0, 1.0)),
        (FIRST, None, (0.5, 0.0, 0.0)),
        (FIRST, TIE, (0.5, 0.0, 0.0)),
        (None, None, (0.0, 0.0, 1.0)),
        (None, TIE, (0.0, 0.0, 1.0)),
    ],
)
def test_a_pair_in_two_orders(
    as_given: Scores | None, swapped: Scores | None, expected: tuple[float, float, float]
) -> None:
    assert credit(pair(as_given, swapped)) == expected


@pytest.mark.parametrize(
    ("better", "worse", "expected"),
    [
        (7.0, 3.0, (1.0, 1.0, 1.0)),
        (3.0, 7.0, (0.0, 0.0, 1.0)),
        (5.0, 5.0, (0.5, 0.0, 0.0)),
        (None, 5.0, (0.5, 0.0, 0.0)),
    ],
)
def test_a_pair_rated_one_by_one(
    better: float | None, worse: float | None, expected: tuple[float, float, float]
) -> None:
    task = JudgmentTask.from_pair("?", "a", "b", subset="Manual")
    given = {(0,): None if better is None else (better,), (1,): None if worse is None else (worse,)}
    assert credit(result(task, given)) == expected


def test_one_order_says_nothing_of_agreement() -> None:
    task = JudgmentTask.from_pair("?", "a", "b", subset="Manual")
    assert credit(result(task, {(0, 1): FIRST})) == (1.0, None, None)


AUTHORS = {
    "Natural": (95, 96, 93, 95), "Neighbor": (104, 107, 101, 125), "GPTInst": (78, 81, 77, 87),
    "GPTOut": (35, 38, 35, 44), "Manual": (35, 39, 33, 38),
}  # fmt: skip
"""GPT-4, plainly asked: right as given, right swapped, right in both, agreeing; from the authors'
statistics files."""
PAPER = {
    "Natural": 95.5, "Neighbor": 78.7, "GPTInst": 86.4, "GPTOut": 77.7, "Manual": 80.4,
    "Adversarial": 80.8,
}  # fmt: skip


def pairs_with(subset: str, counts: tuple[int, int, int, int]) -> list[JudgeResult]:
    """As many pairs as the set has, with these counts and no verdict missing."""
    given, swapped, both, agreeing = counts
    ended = [(FIRST, SECOND)] * both + [(SECOND, FIRST)] * (agreeing - both)
    ended += [(FIRST, FIRST)] * (given - both) + [(SECOND, SECOND)] * (swapped - both)
    assert len(ended) == COUNTS[subset]
    return [pair(*one, subset, number) for number, one in enumerate(ended)]


def test_the_authors_counts_give_the_authors_figures() -> None:
    results = [one for subset in SETS for one in pairs_with(subset, AUTHORS[subset])]
    found = scores(LLMBar(), results)
    assert {name: round(100 * found[name], 1) for name in PAPER} == PAPER
    for subset, (_, _, both, agreeing) in AUTHORS.items():
        known = LLMBar().credits
        members = [known(one) for one in results if one.task.subset == subset]
        assert sum(one[CONSISTENT] or 0 for one in members) == both
        assert sum(one[AGREEMENT] or 0 for one in members) == agreeing
    agreements = [AUTHORS[one][3] / COUNTS[one] for one in ADVERSARIAL]
    assert found["Adversarial, agreement between orders"] == pytest.approx(sum(agreements) / 4)


def test_the_adversarial_score_is_the_plain_mean_of_four_sets() -> None:
    right = [pair(FIRST, SECOND, "Neighbor", n) for n in range(7)]
    wrong = [pair(SECOND, FIRST, subset) for subset in ("Natural", *ADVERSARIAL[1:])]
    found = scores(LLMBar(), [*right, *wrong])
    assert found["Adversarial"] == pytest.approx(1 / 4)
    assert found["average of five"] == pytest.approx(1 / 5)
    assert found[STRICT] == pytest.approx(7 / 11)


def test_without_one_of_the_four_there_is_no_adversarial_score() -> None:
    results = [pair(FIRST, SECOND, "Natural"), pair(FIRST, SECOND, "GPTOut")]
    found = scores(LLMBar(), results)
    assert (found["Natural"], found["GPTOut"]) == (1.0, 1.0)
    assert "Adversarial" not in found and "average of five" not in found
    assert notes(LLMBar(), results) == [
        "No adversarial score: nothing of Neighbor, GPTInst, Manual."
    ]


RECORD = {"input": "?", "output_1": "a", "output_2": "b", "label": 2}


def test_only_the_five_files_of_a_clone_are_read(tmp_path: Path) -> None:
    """Results of judges lie beside them, in the same form, and other sets too."""
    for subset in SETS:
        adversarial = subset in ADVERSARIAL
        folder = tmp_path / "Dataset" / "LLMBar" / ("Adversarial" if adversarial else "") / subset
        write(folder / "dataset.json", [RECORD])
        write(folder / "evaluators" / "GPT-4" / "Vanilla" / "result.json", [RECORD] * 5)
    write(tmp_path / "Dataset" / "CaseStudy" / "Negation" / "dataset.json", [RECORD])
    tasks = LLMBar(path=tmp_path).tasks()
    assert [task.id for task in tasks] == [f"{subset}/1" for subset in SETS]
    assert tasks[0].preferred == 1 and tasks[0].responses == ("a", "b")


def test_one_set_is_read_by_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "GPTOut" / "dataset.json", [RECORD])
    assert [task.subset for task in LLMBar(path=path).tasks()] == ["GPTOut"]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no <set>/dataset.json of Natural, Neighbor"):
        LLMBar(path=tmp_path).tasks()
    with pytest.raises(DataError, match=r"Take the folder Dataset/LLMBar of github.com"):
        LLMBar().tasks()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": 0}, "label: expected 1 or 2, got 0"),
        ({"label": "1"}, "label: expected a whole number, got str"),
        ({"output_2": None}, "output_2: expected a string, got nothing"),
        ({"input": 1}, "input: expected a string, got int"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path / "Natural" / "dataset.json", [RECORD, {**RECORD, **change}])
    with pytest.raises(DataError) as caught:
        LLMBar(path=path).tasks()
    assert str(caught.value) == f"{path}, record 2: {complaint}"


def test_a_file_in_another_folder_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "Unnatural" / "dataset.json", [RECORD])
    with pytest.raises(DataError, match="set: the file should be in a folder named Natural"):
        LLMBar(path=path).tasks()


@needs_shared_data
def test_the_published_sets_have_419_pairs_with_balanced_labels() -> None:
    tasks = LLMBar(path=PUBLISHED).tasks()
    assert Counter(task.subset for task in tasks) == COUNTS
    assert len(tasks) == len({task.id for task in tasks}) == LLMBar().size == 419
    assert Counter(task.preferred for task in tasks) == {0: 206, 1: 213}


@needs_shared_data
def test_longer_is_better_scores_27_percent() -> None:
    results = judged(LLMBar(path=PUBLISHED), longer)
    found = scores(LLMBar(), results)
    assert found[OFFICIAL] == found[STRICT] == pytest.approx(113 / 419), "2 of equal length"
    assert found["Natural"] == 0.56 and found["Neighbor"] == pytest.approx(16 / 134)
    adversarial = (16 / 134 + 12 / 92 + 21 / 47 + 8 / 46) / 4
    assert found["Adversarial"] == pytest.approx(adversarial)
    assert found["average of five, agreement between orders"] == 1.0
    rated = scores(LLMBar(), judged(LLMBar(path=PUBLISHED), longer, arity=1))
    assert rated[OFFICIAL] == pytest.approx(114 / 419), "two ties at half"


@needs_shared_data
def test_what_always_comes_first_wins_half_and_never_in_both_orders() -> None:
    found = scores(LLMBar(), judged(LLMBar(path=PUBLISHED), always_first))
    assert found["Adversarial"] == found["average of five"] == found[STRICT] == 0.5
    assert found["Adversarial, position-consistent"] == found[CONSISTENT] == 0.0
    assert found["average of five, agreement between orders"] == 0.0
    assert found["accuracy in order 0,1"] == pytest.approx(206 / 419)


def whole(judge: JudgeRewardModel, out: Path) -> Evaluated:
    return judge_benchmark(judge, LLMBar(path=PUBLISHED), out)


@needs_shared_data
def test_a_real_run_with_an_engine_that_says_a(tmp_path: Path) -> None:
    form = PairwiseVerdict()
    judge = JudgeRewardModel(format=form, engine=first_engine(form))
    evaluated = whole(judge, tmp_path)
    assert evaluated.headline is not None and evaluated.headline.value == 0.5
    consistent = evaluated.strict.score(CONSISTENT)
    assert consistent is not None and consistent.value == 0.0
    assert evaluated.strict.metrics.verdict_flip_rate == 1.0
    assert evaluated.strict.notes == ()


@needs_shared_data
def test_a_real_run_with_an_oracle_gets_everything_right(tmp_path: Path) -> None:
    tasks = LLMBar(path=PUBLISHED).tasks()
    for form in (PairwiseVerdict(), Pointwise()):
        judge = JudgeRewardModel(format=form, engine=oracle(form, tasks))
        evaluated = whole(judge, tmp_path / form.name)
        assert evaluated.headline is not None and evaluated.headline.value == 1.0
        agreement = evaluated.strict.score(AGREEMENT)
        assert agreement is not None and agreement.value == 1.0
