from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from j1sdk_spct import Spct, SpctSingle

from j1sdk import (
    JudgeRewardModel,
    JudgmentFormat,
    JudgmentStatus,
    JudgmentTask,
    OutOfRange,
    Presentation,
    Scripted,
    Unparseable,
)
from j1sdk.catalogue import Catalogue
from j1sdk.errors import ConfigError
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.testing import FormatContract, example_tasks, isolated_catalogue, oracle

ANALYSIS = "<principles>Truth (100%)</principles>\n<critique>A errs.</critique>\n"


def box(pair: str) -> str:
    return rf"<scores>\boxed{{{pair}}}</scores>"


class TestContract(FormatContract):
    component = Spct()
    examples = ((8.0, 3.0), (5.0, 5.0))


class TestContractOfAnotherRange(FormatContract):
    component = Spct(low=-5, high=0)
    examples = ((-1.0, -4.0),)


class TestContractOfTheLenient(FormatContract):
    component = Spct(lenient=True)


class TestContractOfOneResponse(FormatContract):
    component = SpctSingle()
    examples = ((7.0,),)


class TestContractOfOneResponseReadLeniently(FormatContract):
    component = SpctSingle(low=0, high=1, lenient=True)


@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        (box("8, 3"), (8, 3)),
        (box("8,3"), (8, 3)),
        (box(" 10 ,\n1 "), (10, 1)),
        (f"<scores>\n{box('8, 3')[8:-9]}\n</scores>", (8, 3)),
        (box("8, 3") + "\n\nSo A it is." + box("8,3"), (8, 3)),
        ("Some more words. " + box("4, 4"), (4, 4)),
    ],
)
def test_a_boxed_pair_behind_the_critique_is_read(answer: str, scores: Any) -> None:
    assert Spct().parse(ANALYSIS + answer) == scores


@pytest.mark.parametrize(
    "text",
    [
        box("8, 3"),
        box("8, 3") + ANALYSIS,
        f"<think>{box('8, 3')}</think>" + ANALYSIS,
        f"<critique>{box('8, 3')}",
        ANALYSIS + r"\boxed{8, 3}",
        ANALYSIS + box("8"),
        ANALYSIS + box("8, 3, 1"),
        ANALYSIS + box("8, "),
        ANALYSIS + box("7.5, 3"),
        ANALYSIS + box("eight, three"),
        ANALYSIS + box("8, 3")[:-1],
        ANALYSIS + "<scores>8, 3</scores>",
        ANALYSIS + "<scores></scores>" + r"\boxed{8, 3}",
        ANALYSIS + box("8, 3") + " No: " + box("about 3, 8"),
        ANALYSIS + box("8, 3") + " No: " + box("8/10, 9/10"),
        ANALYSIS + "<critique>But" + box("8, 3"),
    ],
)
def test_anything_else_is_unparseable(text: str) -> None:
    with pytest.raises(Unparseable):
        Spct().parse(text)


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        (r"\boxed{8, 3}", (8, 3)),
        (box("8, 3") + box("3, 8") + ANALYSIS, (3, 8)),
        (rf"<think>\boxed{{1, 1}}</think>{ANALYSIS}so \boxed{{9,2}}", (9, 2)),
    ],
)
def test_a_lenient_reading_takes_the_last_box_anywhere(text: str, scores: Any) -> None:
    assert Spct(lenient=True).parse(text) == scores
    with pytest.raises(Unparseable):
        Spct().parse(text)


@pytest.mark.parametrize("text", ["8, 3", "<scores>8, 3</scores>", r"\boxed{8}", r"\boxed{8 3}"])
def test_a_lenient_reading_still_needs_a_box(text: str) -> None:
    with pytest.raises(Unparseable, match="no well-formed box"):
        Spct(lenient=True).parse(text)
    with pytest.raises(OutOfRange):
        Spct(lenient=True).parse(text + r"\boxed{11, 3}")


def test_one_response_is_scored_by_itself() -> None:
    task = JudgmentTask(prompt="Sum?", responses=("4",), reference="It is 4.")
    (asked,) = SpctSingle(high=5).render(Presentation(task=task, order=(0,)))
    for passage in (r"\boxed{the score}", "[Response]\n4\n[End of response]", "It is 4.", "1 to 5"):
        assert passage in asked.content
    engine = Scripted(answers=(ANALYSIS + box("5"),))
    judge = JudgeRewardModel(format=SpctSingle(high=5), engine=engine)
    assert judge.score(["Sum?"], ["4"]) == [1.0]


@pytest.mark.parametrize("boxed", ["8, 3", "eight", "", "7.5"])
def test_one_response_has_one_score(boxed: str) -> None:
    with pytest.raises(Unparseable):
        SpctSingle().parse(ANALYSIS + box(boxed))
    with pytest.raises(ValueError, match="not a whole number from 1 to 10"):
        SpctSingle().write((8.0, 3.0))


def test_two_pairs_that_differ_are_unparseable() -> None:
    with pytest.raises(Unparseable, match="differs"):
        Spct().parse(ANALYSIS + box("8, 3") + box("3, 8"))


@pytest.mark.parametrize("pair", ["0, 5", "5, 11", "-1, 5", "9" * 400 + ", 5"])
def test_a_number_outside_the_range_is_out_of_range(pair: str) -> None:
    with pytest.raises(OutOfRange, match="outside 1 to 10"):
        Spct().parse(ANALYSIS + box(pair))


def test_the_range_is_an_option() -> None:
    assert Spct(low=0, high=100).parse(ANALYSIS + box("0, 100")) == (0, 100)
    assert Spct(low=0, high=100).score_range == (0, 100)
    with pytest.raises(OutOfRange, match="outside 0 to 5"):
        Spct(low=0, high=5).parse(ANALYSIS + box("6, 0"))


@pytest.mark.parametrize("options", [{"low": 10}, {"low": 3, "high": 2}, {"low": 1.5}])
def test_an_empty_or_broken_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Spct(**options)


@pytest.mark.parametrize(
    "scores", [(0.0, 5.0), (5.0, 11.0), (7.5, 3.0), (1.0,), (1.0, 2.0, 3.0), (float("inf"), 1.0)]
)
def test_scores_it_cannot_express_are_not_written(scores: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="not two whole numbers from 1 to 10"):
        Spct().write(scores)


def test_every_pair_it_can_express_is_read_back() -> None:
    form = Spct()
    pairs = [(float(a), float(b)) for a in range(1, 11) for b in range(1, 11)]
    assert [form.parse(form.write(pair, "Because.")) for pair in pairs] == pairs


@pytest.mark.parametrize(
    ("text", "adheres"),
    [
        (ANALYSIS + box("8, 3"), True),
        (ANALYSIS + box("80, 3"), True),
        (box("8, 3") + ANALYSIS, False),
        (ANALYSIS + box("8, 3") + box("8, 3"), False),
        ("<critique>A errs.</critique>" + box("8, 3"), False),
    ],
)
def test_adherence_is_each_section_once_in_order(text: str, adheres: bool) -> None:
    assert Spct().adheres(text) is adheres


def test_the_prompt_asks_for_what_is_read() -> None:
    task = JudgmentTask.from_pair("Sum?", "4", "5", reference="4, of course")
    (asked,) = Spct(low=2, high=7).render(Presentation(task=task, order=(1, 0)))
    for passage in (
        "from 2 to 7",
        r"<scores>\boxed{score of A, score of B}</scores>",
        "<critique>",
    ):
        assert passage in asked.content
    assert "[Reference answer]\n4, of course\n[End of reference answer]" in asked.content
    assert asked.content.index("\n5\n") < asked.content.index("\n4\n")


def test_without_a_reference_none_is_shown() -> None:
    task = JudgmentTask.from_pair("Sum?", "4", "5")
    (asked,) = Spct().render(Presentation(task=task, order=(0, 1)))
    assert "Reference" not in asked.content


def test_a_judge_scores_in_both_orders() -> None:
    task = JudgmentTask.from_pair("Sum?", "4", "5")
    engine = Scripted(answers=(ANALYSIS + box("9, 2"), ANALYSIS + box("4, 7")))
    (result,) = JudgeRewardModel(format=Spct(), engine=engine).judge([task])
    assert result.scores == (8.0, 3.0)
    assert result.consistent


def test_a_bad_answer_is_a_status_and_no_number() -> None:
    task = JudgmentTask.from_pair("Sum?", "4", "5")
    engine = Scripted(answers=(ANALYSIS + box("9, 12"), box("9, 2") + ANALYSIS))
    (result,) = JudgeRewardModel(format=Spct(), engine=engine).judge([task])
    statuses = [judgment.status for judgment in result.judgments]
    assert statuses == [JudgmentStatus.OUT_OF_RANGE, JudgmentStatus.UNPARSEABLE]
    assert result.scores == (None, None)


def test_the_built_in_rewards_grade_it() -> None:
    form, tasks = Spct(), example_tasks()
    for result in JudgeRewardModel(format=form, engine=oracle(form, tasks)).judge(tasks):
        for reward in (VerdictCorrectness(), FormatAdherence()):
            assert reward.grade(result.task, result.judgments, form) == [1.0, 1.0]


def test_the_distribution_registers_it() -> None:
    described = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text())
    points = described["project"]["entry-points"]["j1sdk"]
    catalogue = Catalogue.of(*map(import_module, points.values()))
    assert JudgmentFormat.model_validate("spct", context=catalogue) == Spct()
    assert JudgmentFormat.model_validate("spct-single", context=catalogue) == SpctSingle()


def test_the_readmes_run_files_are_valid() -> None:
    readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    text = readme.partition("```toml")[2].partition("```")[0]
    catalogue = isolated_catalogue(Spct)
    for written, form in (
        (text, Spct()),
        (text.replace('format = "spct"', "").replace("# format", "format"), Spct(low=0, high=5)),
    ):
        described = tomllib.loads(written)["judge"]["format"]
        assert JudgmentFormat.model_validate(described, context=catalogue) == form
