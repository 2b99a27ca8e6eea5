"""The formats: their contracts, what they read, and what they refuse."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest
from j1sdk_family.hinted import Hinted
from j1sdk_family.reward_anything import RewardAnything
from j1sdk_family.rm_r1 import RmR1
from j1sdk_family.rrm import Rrm
from j1sdk_family.think_j import ThinkJ

from j1sdk import (
    Completion,
    DataError,
    JudgmentFormat,
    JudgmentTask,
    OutOfRange,
    PairwiseScores,
    PairwiseVerdict,
    Pointwise,
    Presentation,
    Reading,
    Scores,
    Scripted,
    Turn,
    Unparseable,
)
from j1sdk.errors import ConfigError
from j1sdk.judge import JudgeRewardModel
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.testing import FormatContract, always_first, example_tasks, oracle

A, B = (1.0, 0.0), (0.0, 1.0)
PRINCIPLE = "A response is better the shorter it is."
CHAT = "<type>Chat</type><rubric>Be kind.</rubric><justify>It is chat.</justify><eval>A.</eval>"
SOLVED = "<type>Reasoning</type><solution>4</solution><eval>A says 4.</eval>"
THOUGHT = "<think>A is kind.</think>"
FORMS: list[JudgmentFormat] = [
    RmR1(), RmR1(lenient=True), Rrm(), Rrm(lenient=True), ThinkJ(), ThinkJ(lenient=True),
    RewardAnything(principle=PRINCIPLE), RewardAnything(principle=PRINCIPLE, lenient=True),
]  # fmt: skip


class TestRmR1(FormatContract):
    component = RmR1()


class TestLenientRmR1(FormatContract):
    component = RmR1(lenient=True)


class TestRrm(FormatContract):
    component = Rrm()


class TestRrmThatPlans(FormatContract):
    component = Rrm(thinking="plan", lenient=True)


class TestThinkJ(FormatContract):
    component = ThinkJ()
    examples = ((1.0, 0.0), (0.0, 2.0))


class TestLenientThinkJ(FormatContract):
    component = ThinkJ(lenient=True, strengths=5)


class TestRewardAnything(FormatContract):
    component = RewardAnything(principle=PRINCIPLE)
    examples = ((4.0, 2.0), (3.0, 3.0))


class TestLenientRewardAnything(FormatContract):
    component = RewardAnything(principle=PRINCIPLE, lenient=True, low=0, high=10)


def answer(json: str) -> str:
    return f"{THOUGHT}\n{json}"


@pytest.mark.parametrize(
    ("form", "text", "scores"),
    [
        (RmR1(), f"{CHAT}<answer>[[A]]</answer>", A),
        (RmR1(), f"{SOLVED}\nSo:\n<answer> [[ B ]] </answer>", B),
        (RmR1(), f"<think>[[A]] <eval></eval><answer>[[A]]</answer></think>{CHAT}"
                 "<answer>[[B]]</answer>", B),
        (RmR1(lenient=True), "[[A]]" + "I changed my mind. " * 9 + "[[B]]", B),
        (Rrm(), THOUGHT + r"\boxed{assistant A}", A),
        (Rrm(), THOUGHT + r"The better one is \boxed{ Assistant B }.", B),
        (Rrm(), THOUGHT + r"\boxed{assistant B} \boxed{assistant B}", B),
        (Rrm(lenient=True), r"\boxed{assistant A}, no, \boxed{assistant B}", B),
        (ThinkJ(), THOUGHT + "<answer>[[A]] by 2</answer>", (2.0, 0.0)),
        (ThinkJ(), THOUGHT + "<answer>\n[[B]] by 3\n</answer>", (0.0, 3.0)),
        (ThinkJ(strengths=9), THOUGHT + "<answer>[[B]] by 09</answer>", (0.0, 9.0)),
        (ThinkJ(lenient=True), "[[A]] by 1, or rather [[B]] by 2", (0.0, 2.0)),
        (RewardAnything(principle=PRINCIPLE),
         answer('{"scores": {"B": 1, "A": 5}, "best_to_worst": ["A", "B"]}'), (5.0, 1.0)),
        (RewardAnything(principle=PRINCIPLE),
         answer('{"scores": {"A": 2, "B": 2}, "best_to_worst": ["B", "A"]}'), (2.0, 2.0)),
        (RewardAnything(principle=PRINCIPLE, lenient=True),
         'Here: ```{ "scores": {"A": 1, "B": 2}, "best_to_worst": ["B", "A"]}```', (1.0, 2.0)),
    ],
)  # fmt: skip
def test_an_answer_is_read(form: JudgmentFormat, text: str, scores: Scores) -> None:
    assert form.parse(text) == scores


RANKED = '{"scores": {"A": %s, "B": %s}, "best_to_worst": [%s]}'


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (RmR1(), "<answer>[[A]]</answer>"),
        (RmR1(), f"<answer>[[A]]</answer>{CHAT}"),
        (RmR1(), f"{CHAT}[[A]]"),
        (RmR1(), f"{CHAT}<answer>[[A]]</answer><answer>[[B]]</answer>"),
        (RmR1(), f"{CHAT}<answer>[[C]]</answer>"),
        (RmR1(lenient=True), "[[A]]" + " and so on" * 8),
        (RmR1(), f"{CHAT}<answer>[[A]]</answer> No: <answer>[B]</answer>"),
        (RmR1(), f"{CHAT}<think>maybe <answer>[[A]]</answer>"),
        (Rrm(), THOUGHT + r"\boxed{assistant A} No: \boxed{B}"),
        (Rrm(lenient=True), r"\boxed{assistant A} No: \Boxed {assistant B}"),
        (ThinkJ(), THOUGHT + "<answer>[[A]] by 2</answer> No: <answer>[[B]]</answer>"),
        (ThinkJ(lenient=True), "[[A]] by 2, or rather [[B]]"),
        (RewardAnything(principle=PRINCIPLE, lenient=True),
         RANKED % (2, 1, '"A", "B"') + ' No: {"Scores": {"A": 1, "B": 2}}'),
        (Rrm(), r"\boxed{assistant A}"),
        (Rrm(), THOUGHT + r"\boxed{assistant A} \boxed{assistant B}"),
        (Rrm(), THOUGHT + r"\boxed{A}"),
        (Rrm(), THOUGHT + r"\boxed{assistant A or B}"),
        (Rrm(), THOUGHT + r"\boxed{assistant a}"),
        (Rrm(lenient=True), "assistant A"),
        (ThinkJ(), "<answer>[[A]] by 2</answer>"),
        (ThinkJ(), THOUGHT + "<answer>[[A]]</answer>"),
        (ThinkJ(), THOUGHT + "<answer>[[A]] by 2.5</answer>"),
        (ThinkJ(), THOUGHT + "<answer>[[A]] by -1</answer>"),
        (ThinkJ(), THOUGHT + "<answer>[[A]] by two</answer>"),
        (ThinkJ(), THOUGHT + "<answer>[[A]] by 2</answer><answer>[[A]] by 3</answer>"),
        (ThinkJ(), THOUGHT + "<answer>[[A]] by " + "9" * 5000 + "</answer>"),
        (ThinkJ(lenient=True), "A by 2"),
        *(
            (RewardAnything(principle=PRINCIPLE), answer(json))
            for json in (
                RANKED % (1, 2, '"A", "B"'),
                RANKED % (2, 2, '"A", "A"'),
                RANKED % (2, 1, '"A"'),
                RANKED % (2, 1, '"A", "B", "B"'),
                RANKED % (2.5, 1, '"A", "B"'),
                RANKED % ('"2"', 1, '"A", "B"'),
                RANKED % ("NaN", 1, '"A", "B"'),
                RANKED % (2, 1, '"A", "C"'),
                '{"scores": {"A": 2}, "best_to_worst": ["A", "B"]}',
                '{"scores": {"A": 4, "B": 2, "A": 2}, "best_to_worst": ["A", "B"]}',
                RANKED.replace("{", '{"scores": {}, ', 1) % (2, 1, '"A", "B"'),
                RANKED % ("1" * 5000, 1, '"A", "B"'),
                '{"scores": {"A": 2, "B": 1}}',
                '{"scores": {"A": 2, "B": 1}, "best_to_worst": ["A", "B"], "C": 1}',
                f"Well: {RANKED}" % (2, 1, '"A", "B"'),
                "[" * 100_000,
            )
        ),
        (RewardAnything(principle=PRINCIPLE), RANKED % (2, 1, '"A", "B"')),
        (RewardAnything(principle=PRINCIPLE, lenient=True), "A is a 5 and B a 1"),
    ],
)  # fmt: skip
def test_anything_else_is_unparseable(form: JudgmentFormat, text: str) -> None:
    with pytest.raises(Unparseable):
        form.parse(text)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (ThinkJ(), THOUGHT + "<answer>[[A]] by 4</answer>"),
        (ThinkJ(), THOUGHT + "<answer>[[A]] by 0</answer>"),
        (RewardAnything(principle=PRINCIPLE), answer(RANKED % (6, 1, '"A", "B"'))),
        (RewardAnything(principle=PRINCIPLE), answer(RANKED % (1, -1, '"A", "B"'))),
        (RewardAnything(principle=PRINCIPLE), answer(RANKED % ("9" * 400, 1, '"A", "B"'))),
        (RewardAnything(principle="?", high=3), answer(RANKED % (4, 1, '"A", "B"'))),
    ],
)
def test_a_number_outside_the_range_is_out_of_range(form: JudgmentFormat, text: str) -> None:
    with pytest.raises(OutOfRange, match="outside"):
        form.parse(text)


@pytest.mark.parametrize(
    ("form", "scores"),
    [
        (RmR1(), (0.5, 0.5)), (Rrm(), (0.0, 0.0)), (ThinkJ(), (1.0, 1.0)), (ThinkJ(), (0.0, 0.0)),
        (ThinkJ(), (4.0, 0.0)), (ThinkJ(), (1.5, 0.0)), (ThinkJ(), (1.0, 0.0, 0.0)),
        (RewardAnything(principle="?"), (0.0, 1.0)), (RewardAnything(principle="?"), (1.5, 1.0)),
        (RewardAnything(principle="?"), (1.0,)),
    ],
)  # fmt: skip
def test_scores_it_cannot_express_are_not_written(form: JudgmentFormat, scores: Scores) -> None:
    with pytest.raises(ValueError, match=r"reads to|are not"):
        form.write(scores)


@pytest.mark.parametrize(
    ("form", "text", "adheres"),
    [
        (RmR1(), f"{CHAT}<answer>[[A]]</answer>", True),
        (RmR1(), f"{SOLVED}<answer>[[A]]</answer>", True),
        (RmR1(), f"{SOLVED}<answer>[[A]]</answer>".replace("Reasoning", "Chat"), False),
        (RmR1(), f"{CHAT}<answer>[[A]]</answer>".replace("Chat", "Poem"), False),
        (RmR1(), f"{CHAT}<answer>[[A]]</answer>".replace("<justify>", ""), False),
        (RmR1(), f"<answer>[[A]]</answer>{CHAT}", False),
        (ThinkJ(), "<answer>[[A]] by 2</answer>", False),
        (Rrm(), THOUGHT * 2 + r"\boxed{assistant A}", False),
        (RewardAnything(principle="?", lenient=True), RANKED % (2, 1, '"A", "B"'), False),
        (RewardAnything(principle="?"), answer(RANKED % (9, 1, '"A", "B"')), False),
        (RewardAnything(principle="?"), answer(RANKED % (2, 1, '"A", "B"')), True),
    ],
)
def test_adherence_is_what_was_asked_for(form: JudgmentFormat, text: str, adheres: bool) -> None:
    assert form.adheres(text) is adheres


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_the_built_in_rewards_grade_it(form: JudgmentFormat) -> None:
    tasks = example_tasks()
    for result in JudgeRewardModel(format=form, engine=oracle(form, tasks)).judge(tasks):
        for reward in (VerdictCorrectness(right=1.0, wrong=-1.0), FormatAdherence()):
            assert reward.grade(result.task, result.judgments, form) == [1.0, 1.0]


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_position_bias_cancels_over_both_orders(form: JudgmentFormat) -> None:
    judge = JudgeRewardModel(format=form, engine=always_first(form))
    for result in judge.judge(example_tasks()):
        assert result.preferred is None and result.consistent is False


@pytest.mark.parametrize(
    ("form", "passages"),
    [
        (RmR1(), ["<type>Chat</type>", "<rubric>", "<solution>", "<answer>[[B]]</answer>"]),
        (Rrm(), [r"\boxed{assistant A}", r"\boxed{assistant B}"]),
        (ThinkJ(strengths=4), ["<answer>[[A]] by number</answer>", "to 4 (clearly)"]),
        (RewardAnything(principle=PRINCIPLE, low=0), [PRINCIPLE, "from 0 to 5", '"best_to_worst"']),
    ],
)
def test_the_prompt_asks_for_what_is_read(form: JudgmentFormat, passages: list[str]) -> None:
    task = JudgmentTask.from_pair("Sum?", "4", "5", reference="4, of course")
    (asked,) = form.render(Presentation(task=task, order=(1, 0)))
    assert all(passage in asked.content for passage in [*passages, "4, of course"])
    assert asked.content.index("\n5\n") < asked.content.index("\n4\n")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ThinkJ, {"strengths": 0}), (ThinkJ, {"strengths": 101}), (RewardAnything, {}),
        (RewardAnything, {"principle": ""}), (RewardAnything, {"principle": "?", "low": 5}),
        (RewardAnything, {"principle": "?", "low": 1.5}), (RmR1, {"thinking": "plan"}),
    ],
)  # fmt: skip
def test_options_without_a_meaning_are_refused(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        kind(**options)


def test_the_strength_of_both_orders_is_their_mean() -> None:
    verdicts = ("<answer>[[A]] by 3</answer>", "<answer>[[B]] by 1</answer>")
    engine = Scripted(answers=tuple(THOUGHT + verdict for verdict in verdicts))
    (result,) = JudgeRewardModel(format=ThinkJ(), engine=engine).judge([example_tasks()[0]])
    assert result.scores == (2.0, 0.0) and result.consistent


class TestHinted(FormatContract):
    component = Hinted(format=PairwiseScores(), verdict="wrong")
    examples: Sequence[Scores] = ((7.5, 3.0),)

    def test_does_not_show_the_label(self) -> None:
        """It is what this format is for."""
        with pytest.raises(AssertionError, match="the prompt depends on label"):
            super().test_does_not_show_the_label()


class TestHintedOfOneResponse(TestHinted):
    component = Hinted(format=Pointwise())
    examples = ((7.5,),)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("form", [RmR1(), ThinkJ(), Rrm(), PairwiseScores()], ids=repr)
def test_a_hint_is_the_gold_verdict_or_its_opposite(
    form: JudgmentFormat, order: tuple[int, ...]
) -> None:
    shown = Presentation(task=JudgmentTask.from_pair("Sum?", "4", "5"), order=order)
    gold, low_high = order.index(0), form.score_range
    for verdict, winner in (("right", gold), ("wrong", 1 - gold)):
        hinted = Hinted.model_validate({"format": form, "verdict": verdict})
        (plain,), (asked,) = form.render(shown), hinted.render(shown)
        assert asked.content.startswith(plain.content)
        told = asked.content.partition("[Known answer]\n")[2].partition("\n[End of known")[0]
        scores = form.parse(told)
        assert scores.index(low_high[1]) == winner and scores.index(low_high[0]) == 1 - winner


def test_without_gold_there_is_nothing_to_hint_at() -> None:
    shown = Presentation(task=JudgmentTask(prompt="Sum?", responses=("4", "5")), order=(0, 1))
    with pytest.raises(DataError, match="has no preferred response"):
        Hinted(format=RmR1()).render(shown)


class Talkative(PairwiseVerdict):
    name = "talkative"

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        yield Turn(say=self.render(shown))
        return (yield from super().deliberate(shown))


def test_a_format_with_its_own_conversation_cannot_be_hinted_at() -> None:
    with pytest.raises(ConfigError, match="talkative has a conversation of its own"):
        Hinted(format=Talkative())
