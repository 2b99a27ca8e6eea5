"""Verifiers: which answer a solution has, when two are the same, and what has none."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from j1sdk_data.builders.verifiers import VERIFIERS, boxed, value
from j1sdk_data.gsm8k import MODELS

SHARED = Path(__file__).parents[3] / "shared" / "data"
SOLUTIONS = SHARED / "grade-school-math/grade_school_math/data/example_model_solutions.jsonl"
NUMBER, BOXED = VERIFIERS["number"], VERIFIERS["boxed"]


@pytest.mark.parametrize(
    ("solution", "reference"),
    [
        ("2+2 is\nA: 4", "4"),
        ("A: 4", "so\n#### 4"),
        ("so\n#### 1,234.50", "A: 1234.5"),
        ("-7", "A: -7"),
        ("011", "11"),
        (" 0.5 \n", "0.50"),
        (".5", "0.5"),
    ],
)
def test_a_number_is_right_whatever_it_looks_like(solution: str, reference: str) -> None:
    found = NUMBER.answer(solution)
    assert found is not None and found == NUMBER.reference(reference)


@pytest.mark.parametrize(
    "solution",
    ["", "four", "A: four", "A: 4 apples", "A: 4\nor 5", "A: 1/2", "4.", "2+2\n4", "it is 4",
     "A: 1e3", "\u0664"],
)  # fmt: skip
def test_what_is_not_a_number_on_the_last_line_has_no_answer(solution: str) -> None:
    assert NUMBER.answer(solution) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("4", "4.0"), ("1,000", "1000"), (r"\frac{1}{2}", "0.5"), (r"\frac12", "1/2"),
        (r"-\frac{3}{4}", "-0.75"), (r"\dfrac{6}{4}", r"\tfrac{3}{2}"), ("x + 1", "x+1"),
        (r"\left( 1, 2 \right)", "(1,2)"), ("50\\%", "50"), (r"\$5", "5"), (r"90^\circ", "90"),
        (r"90^{\circ}", "90"), (r"2\,\! x", "2x"), ("7.", "7"),
    ],
)  # fmt: skip
def test_the_same_answers_are_equal(first: str, second: str) -> None:
    assert value(first) is not None
    assert value(first) == value(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("x+1", "1+x"), ("4", "-4"), (r"\frac{1}{2}", r"\frac{2}{1}"), ("x", "X"), ("1/0", "0")],
)
def test_other_answers_are_not(first: str, second: str) -> None:
    assert value(first) != value(second)


@given(st.integers(-99, 99), st.integers(1, 99))
def test_a_fraction_is_its_value(over: int, under: int) -> None:
    sign = "-" if over < 0 else ""
    assert value(f"{sign}\\frac{{{abs(over)}}}{{{under}}}") == Fraction(over, under)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"so \boxed{4}.", "4"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{}", ""),
        (r"\boxed{\frac{1}{2", None),
        ("4", None),
        (r"\boxed 4", None),
    ],
)
def test_the_last_box_holds_the_answer(text: str, found: str | None) -> None:
    assert boxed(text) == found


def test_a_solution_needs_its_box_and_a_reference_does_not() -> None:
    assert BOXED.answer("1/2") is None
    assert BOXED.reference("1/2") == BOXED.answer(r"so \boxed{\frac12}") == Fraction(1, 2)
    assert BOXED.reference(r"so it is \boxed{3}") == 3
    assert BOXED.answer(r"\boxed{ }") is BOXED.reference("") is None


@given(st.text(alphabet=r"\boxed{}frac123/.,- AxXtext$", max_size=60))
def test_no_text_breaks_a_verifier(text: str) -> None:
    for verifier in VERIFIERS.values():
        for found in (verifier.answer(text), verifier.reference(text)):
            hash(found)


@pytest.mark.skipif(not SOLUTIONS.is_file(), reason="shared data not found at ../shared/data")
def test_the_published_solutions_are_as_right_as_published() -> None:
    with SOLUTIONS.open(encoding="utf-8") as lines:
        questions = [json.loads(line) for line in lines]
    right: list[list[bool]] = []
    for question in questions:
        gold = NUMBER.reference(question["ground_truth"])
        solutions = [question[model] for model in MODELS]
        right.append([NUMBER.answer(one["solution"]) == gold for one in solutions])
        assert right[-1] == [one["is_correct"] for one in solutions]
    assert sum(map(sum, right)) == 2001
    assert sum(sum(one) * (4 - sum(one)) for one in right) == 2429
    assert sum(0 < sum(one) < 4 for one in right) == 731
