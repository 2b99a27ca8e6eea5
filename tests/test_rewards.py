from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.pairwise_scores import PairwiseScores
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.formats.pointwise import Pointwise
from j1sdk.rewards import PairedReward, RewardStrategy
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.rewards.score_ordering import ScoreOrdering
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.types import Judgment, JudgmentStatus, JudgmentTask, Message, Scores

TASK = JudgmentTask.from_pair("2+2?", chosen="4", rejected="5")
OUTCOME: dict[str, Scores | None] = {
    "first": (1.0, 0.0),
    "second": (0.0, 1.0),
    "tie": (5.0, 5.0),
    "failed": None,
}
OPTIONS = {"right": 2.0, "wrong": -1.0, "tied": 0.5, "unparseable": -3.0}


def judged(order: tuple[int, ...], scores: Scores | None, text: str = "") -> Judgment:
    return Judgment(
        task_id=TASK.id,
        order=order,
        scores=scores,
        status=JudgmentStatus.TRUNCATED if scores is None else JudgmentStatus.OK,
        transcript=(Message(role="assistant", content=text),),
    )


def gold_first(*outcomes: str) -> list[Judgment]:
    """Rollouts that were shown the gold response first."""
    return [judged((0, 1), OUTCOME[outcome]) for outcome in outcomes]


def gold_second(*outcomes: str) -> list[Judgment]:
    return [judged((1, 0), OUTCOME[outcome]) for outcome in outcomes]


def grade(
    reward: RewardStrategy, judgments: Sequence[Judgment], task: JudgmentTask = TASK
) -> list[float]:
    format: JudgmentFormat = PairwiseVerdict() if 2 in reward.arities else Pointwise()
    return reward.grade(task, judgments, format)


def test_correctness_grades_each_order_by_itself() -> None:
    judgments = [*gold_first("first", "second"), *gold_second("first", "second")]
    assert grade(VerdictCorrectness(), judgments) == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("outcome", "reward"), [("first", 2.0), ("second", -1.0), ("tie", 0.5), ("failed", -3.0)]
)
def test_every_outcome_has_its_own_value(outcome: str, reward: float) -> None:
    assert grade(VerdictCorrectness(**OPTIONS), gold_first(outcome)) == [reward]


def test_by_default_only_a_right_verdict_earns_anything() -> None:
    rollouts = gold_first("first", "second", "tie", "failed")
    assert grade(VerdictCorrectness(), rollouts) == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("own", "mate", "reward"),
    [
        ("first", "second", 2.0),  # the gold response, both times
        ("first", "first", -1.0),  # the same place: position bias
        ("second", "first", -1.0),  # the orders agree, on the wrong response
        ("second", "second", -1.0),
        ("first", "tie", -1.0),
        ("first", "failed", -1.0),
        ("tie", "second", 0.5),
        ("tie", "failed", 0.5),
        ("failed", "second", -3.0),
    ],
)
def test_consistency_is_correct_in_both_orders_and_not_agreement(
    own: str, mate: str, reward: float
) -> None:
    judgments = [*gold_first(own), *gold_second(mate)]
    assert grade(VerdictConsistency(**OPTIONS), judgments)[0] == reward


# Rollouts as they are drawn: two of one order are right, one of the other.
MIXED = [*gold_first("first", "second", "first"), *gold_second("second", "second", "first")]


def test_rollouts_are_paired_by_index() -> None:
    assert grade(VerdictConsistency(), MIXED) == [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]


def test_or_with_all_rollouts_of_the_other_order() -> None:
    rewards = grade(VerdictConsistency(pairing="all"), MIXED)
    assert rewards == pytest.approx([2 / 3, 0.0, 2 / 3, 2 / 3, 2 / 3, 0.0])


@pytest.mark.parametrize("pairing", ["index", "all"])
def test_interleaved_orders_are_paired_like_grouped_ones(
    pairing: Literal["index", "all"],
) -> None:
    places = [0, 3, 1, 4, 2, 5]
    reward = VerdictConsistency(pairing=pairing)
    grouped = grade(reward, MIXED)
    assert grade(reward, [MIXED[place] for place in places]) == [grouped[p] for p in places]


def scored(gold: float | None, other: float | None) -> list[Judgment]:
    return [
        judged((place,), None if score is None else (score,))
        for place, score in enumerate((gold, other))
    ]


@pytest.mark.parametrize(
    ("gold", "other", "reward"),
    [
        (7.0, 4.0, 2.0),
        (4.0, 7.0, -1.0),
        (5.0, 5.0, 0.5),
        (None, 4.0, -3.0),
        (7.0, None, -3.0),
        (None, None, -3.0),
    ],
)
def test_score_ordering_rewards_both_rollouts_alike(
    gold: float | None, other: float | None, reward: float
) -> None:
    assert grade(ScoreOrdering(**OPTIONS), scored(gold, other)) == [reward, reward]


def test_score_ordering_finds_the_gold_response_wherever_it_is() -> None:
    task = TASK.model_copy(update={"preferred": 1})
    assert grade(ScoreOrdering(), scored(4.0, 7.0), task) == [1.0, 1.0]


def test_score_ordering_over_all_pairs_is_the_share_in_order() -> None:
    rollouts = [judged((0,), (7.0,)), judged((0,), (3.0,)), *scored(None, 5.0)[1:]]
    rollouts.append(judged((1,), (4.0,)))
    assert grade(ScoreOrdering(pairing="all"), rollouts) == [1.0, 0.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("reward", "judgments"),
    [
        (VerdictConsistency(), gold_first("first")),
        (VerdictConsistency(), []),
        (VerdictConsistency(), [*gold_first("first", "first"), *gold_second("second")]),
        (VerdictConsistency(pairing="all"), [*gold_first("first", "tie"), *gold_second("tie")]),
        (ScoreOrdering(), [*scored(7.0, 4.0), judged((2,), (1.0,))]),
    ],
)
def test_unequal_rollouts_are_refused(reward: PairedReward, judgments: list[Judgment]) -> None:
    with pytest.raises(ConfigError, match="as many of one as of the other"):
        grade(reward, judgments)


@pytest.mark.parametrize(
    ("reward", "judgments"),
    [
        (VerdictCorrectness(), gold_first("first")),
        (VerdictConsistency(), [*gold_first("first"), *gold_second("second")]),
        (ScoreOrdering(), scored(7.0, 4.0)),
    ],
)
def test_without_a_gold_label_there_is_nothing_to_grade_against(
    reward: RewardStrategy, judgments: list[Judgment]
) -> None:
    task = TASK.model_copy(update={"preferred": None})
    with pytest.raises(ConfigError, match="no preferred response"):
        grade(reward, judgments, task)


def test_adherence_is_about_sections_and_not_about_being_right() -> None:
    well_formed = PairwiseVerdict().write((0.0, 1.0), "hm")
    judgments = [
        judged((0, 1), (0.0, 1.0), well_formed),
        judged((0, 1), (0.0, 1.0), well_formed + "<answer>[[B]]</answer>"),
        judged((0, 1), None, "no sections"),
        judged((0, 1), None),
    ]
    assert grade(FormatAdherence(), judgments) == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("reward", "format", "orders", "complaint"),
    [
        (
            VerdictCorrectness(),
            Pointwise(),
            "both",
            "needs a pairwise format, and pointwise is not one",
        ),
        (VerdictConsistency(), Pointwise(), "both", "needs a pairwise format"),
        (ScoreOrdering(), PairwiseScores(), "both", "needs a pointwise format"),
        (VerdictConsistency(), PairwiseVerdict(), "first", 'set orders = "both"'),
    ],
)
def test_what_a_reward_cannot_grade_is_refused_at_the_start(
    reward: RewardStrategy, format: JudgmentFormat, orders: Any, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        reward.check(format, orders)


@pytest.mark.parametrize(
    ("reward", "format", "orders"),
    [
        (VerdictCorrectness(), PairwiseVerdict(), "first"),
        (VerdictCorrectness(), PairwiseScores(), "both"),
        (VerdictConsistency(), PairwiseVerdict(), "both"),
        (ScoreOrdering(), Pointwise(), "first"),
        (FormatAdherence(), Pointwise(), "first"),
        (FormatAdherence(), PairwiseVerdict(), "both"),
    ],
)
def test_what_a_reward_can_grade_is_let_through(
    reward: RewardStrategy, format: JudgmentFormat, orders: Any
) -> None:
    reward.check(format, orders)
