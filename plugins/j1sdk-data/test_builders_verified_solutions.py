"""Verified solutions: what is paired with what, what is counted, and what a real model makes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from j1sdk_data.builders import ENGINE_ERROR, Built
from j1sdk_data.builders.verified_solutions import VerifiedSolutions
from j1sdk_data.gsm8k import MODELS
from j1sdk_data.testing import BuilderContract

from j1sdk import Cached, Completion, Conversation, DataError, EngineError, Sampling, Scripted
from j1sdk.background import run
from j1sdk.engines.scripted import Answer, Script
from j1sdk.errors import ConfigError

SHARED = Path(__file__).parents[3] / "shared" / "data"
SOLUTIONS = SHARED / "grade-school-math/grade_school_math/data/example_model_solutions.jsonl"
CUT = Completion(text="so\nA: 4", finish_reason="length")
DOWN = EngineError("the server is down")


def write(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "problems.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def in_turn(*answers: Answer) -> Script:
    """Says one answer after the other, and begins again."""
    said = 0

    def script(conversation: Conversation, sampling: Sampling) -> Answer:
        nonlocal said
        said += 1
        return answers[(said - 1) % len(answers)]

    return script


def builder(folder: Path, *answers: Answer, **options: Any) -> VerifiedSolutions:
    path = write(folder, {"prompt": "2+2?", "reference": "4", "id": "x", "subset": "sums"})
    options = {"samples": len(answers)} | options
    return VerifiedSolutions(path=path, engine=Scripted(script=in_turn(*answers)), **options)


def built(made: VerifiedSolutions) -> Built:
    (item,) = made.items()
    return run(made.build(item))


class TestContract(BuilderContract):
    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path) -> None:
        problems = [{"prompt": f"{n}+1?", "reference": f"{n + 1}"} for n in range(4)]
        self.component = VerifiedSolutions(
            path=write(tmp_path, *problems), engine=Scripted(script=in_turn("1", "2", "3")),
            samples=3, pairs="all",
        )  # fmt: skip


def test_the_first_right_solution_meets_the_first_wrong_one(tmp_path: Path) -> None:
    outcome = built(builder(tmp_path, "so\nA: 5", "so\nA: 4", "A: 4", "A: 6"))
    (pair,) = outcome.pairs
    assert (pair.responses, pair.preferred) == (("so\nA: 4", "so\nA: 5"), 0)
    assert (pair.id, pair.subset, pair.reference) == ("x", "sums", "4")
    assert pair.prompt[0].content == "2+2?"
    assert outcome.counts == {"right": 2, "wrong": 2, "unreadable": 0, ENGINE_ERROR: 0}
    assert outcome.usage.calls == 4


def test_all_pairs_are_those_of_distinct_solutions(tmp_path: Path) -> None:
    answers = ("A: 4", "so\nA: 4", "A: 4", "A: 5", "A: 6", "A: 5")
    pairs = built(builder(tmp_path, *answers, pairs="all")).pairs
    assert [pair.responses for pair in pairs] == [
        (right, wrong) for right in ("A: 4", "so\nA: 4") for wrong in ("A: 5", "A: 6")
    ]
    assert [pair.id for pair in pairs] == ["x/0-0", "x/0-1", "x/1-0", "x/1-1"]


@pytest.mark.parametrize(
    ("answers", "failure"),
    [
        (("A: 4", "4"), "all_right"),
        (("A: 4", "who knows"), "all_right"),
        (("A: 5", "A: 6"), "all_wrong"),
        (("A: 5", "who knows"), "all_wrong"),
        (("", "who knows"), "all_unreadable"),
        ((CUT, "who knows"), "all_unreadable"),
        ((DOWN, "A: 4"), ENGINE_ERROR),
        ((DOWN, "A: 5"), ENGINE_ERROR),
        ((DOWN, DOWN), ENGINE_ERROR),
    ],
)
def test_what_makes_no_pair_is_a_failure_with_a_reason(
    tmp_path: Path, answers: tuple[Answer, ...], failure: str
) -> None:
    outcome = built(builder(tmp_path, *answers))
    assert (outcome.failure, outcome.pairs) == (failure, ())
    assert sum(outcome.counts.values()) == 2
    assert outcome.detail == ("the server is down" if failure == ENGINE_ERROR else "")


def test_a_pair_is_a_pair_though_the_engine_failed_besides(tmp_path: Path) -> None:
    outcome = built(builder(tmp_path, DOWN, "A: 4", "A: 5"))
    assert outcome.pairs and not outcome.failure
    assert outcome.counts == {"right": 1, "wrong": 1, "unreadable": 0, ENGINE_ERROR: 1}
    assert outcome.usage.calls == 2


def test_a_solution_that_was_cut_off_has_no_answer(tmp_path: Path) -> None:
    """`A: 4` may have been about to be `A: 42`."""
    outcome = built(builder(tmp_path, CUT, "A: 4", "A: 5"))
    assert outcome.counts["unreadable"] == 1
    assert outcome.pairs[0].responses == ("A: 4", "A: 5")


def test_an_unreadable_solution_may_count_as_wrong(tmp_path: Path) -> None:
    answers = ("A: 4", "who knows", CUT)
    assert built(builder(tmp_path, *answers)).failure == "all_right"
    pairs = built(builder(tmp_path, *answers, unreadable="wrong", pairs="all")).pairs
    assert [pair.responses for pair in pairs] == [("A: 4", "who knows"), ("A: 4", CUT.text)]
    assert built(builder(tmp_path, "A: 4", " ", unreadable="wrong")).failure == "all_right"


def test_no_text_is_on_both_sides(tmp_path: Path) -> None:
    whole = CUT.model_copy(update={"finish_reason": "stop"})
    made = builder(tmp_path, CUT, whole, unreadable="wrong", pairs="all")
    assert built(made).failure == "all_right"


def test_the_problem_is_asked_with_how_to_answer(tmp_path: Path) -> None:
    def asked(**options: Any) -> list[str]:
        made = builder(tmp_path, "A: 4", "A: 5", **options)
        built(made)
        assert isinstance(made.engine, Scripted)
        return [conversation[-1].content for conversation in made.engine.asked]

    assert all(one.startswith("2+2?\n\nSolve this step by step. Let the last") for one in asked())
    assert asked(instruction="Be quick.") == ["2+2?\n\nBe quick."] * 2
    assert asked(instruction="") == ["2+2?"] * 2
    assert r"\boxed{}" in asked(verifier="boxed")[0]


def test_boxed_answers_are_compared_as_answers(tmp_path: Path) -> None:
    made = builder(tmp_path, r"\boxed{4.0}", r"\boxed{\frac{4}{2}}", verifier="boxed")
    assert built(made).pairs[0].responses == (r"\boxed{4.0}", r"\boxed{\frac{4}{2}}")


def test_a_sampling_the_engine_cannot_honour_is_refused(tmp_path: Path) -> None:
    engine = Cached(engine=Scripted(), path=tmp_path / "answers.sqlite")
    with pytest.raises(ConfigError, match=r"nothing to cache: set sampling\.seed"):
        VerifiedSolutions(path=tmp_path, engine=engine, sampling=Sampling(temperature=1.0))


def test_at_temperature_0_there_is_one_solution(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="all 8 solutions are one: set sampling"):
        VerifiedSolutions(path=tmp_path, engine=Scripted(), sampling=Sampling())


@pytest.mark.parametrize("reference", [None, "", "four", "A: x"])
def test_a_reference_without_an_answer_is_named(tmp_path: Path, reference: str | None) -> None:
    good = {"prompt": "1+1?", "reference": "2"}
    path = write(tmp_path, good, {"prompt": "2+2?", "reference": reference})
    made = VerifiedSolutions(path=path, engine=Scripted())
    with pytest.raises(DataError, match=r"problems\.jsonl, line-2: the reference has no answer"):
        list(made.items())


@pytest.mark.skipif(not SOLUTIONS.is_file(), reason="shared data not found at ../shared/data")
def test_the_published_solutions_make_as_many_pairs_as_were_counted(tmp_path: Path) -> None:
    """An engine that says what four models wrote in 2021, to all of GSM8K's test questions."""
    with SOLUTIONS.open(encoding="utf-8") as lines:
        published = [json.loads(line) for line in lines]
    said: dict[str, list[str]] = {
        one["question"]: [one[model]["solution"] for model in MODELS] for one in published
    }
    drawn: Counter[str] = Counter()

    def script(conversation: Conversation, sampling: Sampling) -> Answer:
        question = conversation[-1].content
        drawn[question] += 1
        return said[question][drawn[question] - 1]

    made = VerifiedSolutions(
        path=SOLUTIONS, fields={"prompt": "question", "reference": "ground_truth"},
        engine=Scripted(script=script), samples=4, pairs="all", unreadable="wrong", instruction="",
    )  # fmt: skip
    outcomes = [run(made.build(item)) for item in made.items()]
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(outcome.counts)
    # of the 15 without a last line `A: <number>`, one is nothing but a (wrong) number
    assert counts == {"right": 2001, "wrong": 3261, "unreadable": 14, ENGINE_ERROR: 0}
    matched = [(one.counts["right"], one.counts["wrong"] + one.counts["unreadable"])
               for one in outcomes]  # fmt: skip
    assert sum(right * wrong for right, wrong in matched) == 2429
    assert sum(bool(one.pairs) for one in outcomes) == 731
    assert sum(len(one.pairs) for one in outcomes) == 2426  # three repeat the same two texts
    assert Counter(one.failure for one in outcomes if one.failure) == {
        "all_right": 156, "all_wrong": 432,
    }  # fmt: skip
