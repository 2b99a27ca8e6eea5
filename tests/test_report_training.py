"""The report of a training run: what was logged is drawn, what was not is left out."""

from __future__ import annotations

from typing import Any

import pytest

from j1sdk import JudgeRewardModel, JudgmentStatus, PairwiseVerdict, Pointwise, Scripted
from j1sdk.report import Curves, render
from j1sdk.report.training import Log, curves, points, training_blocks, training_report
from j1sdk.run import Run
from j1sdk.training.trl import Grpo

STEP: dict[str, Any] = {
    "step": 10,
    "loss": 0.25,
    "reward": 0.5,
    "rewards/verdict_correctness/mean": 0.4,
    "rewards/verdict_correctness/std": 0.1,
    "rewards/format_adherence/mean": 0.9,
    "judge/accuracy": 0.6,
    "judge/verdict_flip_rate": 0.3,
    f"judge/status/{JudgmentStatus.OK}": 1.0,
    "completions/mean_length": 12.5,
    "completions/max_length": 20,
    "entropy": 1.25,
    "grad_norm": 3.0,
}
LOG: Log = [STEP, {**STEP, "step": 20, "reward": 0.75}, {"step": 20, "train_runtime": 9.0}]


def charts(history: Log) -> dict[str, Curves]:
    blocks = training_blocks(history)
    assert all(isinstance(block, Curves) for block in blocks)
    return {block.title: block for block in blocks if isinstance(block, Curves)}


def test_formats_that_are_trained_together_are_judged_apart() -> None:
    both = {**STEP, "judge/pointwise/accuracy": 0.8, "judge/pointwise/status/ok": 1.0}
    drawn = charts([both])
    assert drawn["How rollouts were judged"].series["accuracy"] == [(10, 0.6)]
    assert drawn["How rollouts were judged (pointwise)"].series == {"accuracy": [(10, 0.8)]}
    assert [title for title in charts(LOG) if "judged" in title] == ["How rollouts were judged"]


def test_every_reward_is_a_curve_beside_their_weighted_sum() -> None:
    reward = charts(LOG)["Reward"]
    assert reward.series == {
        "weighted sum": [(10, 0.5), (20, 0.75)],
        "format_adherence": [(10, 0.9), (20, 0.9)],
        "verdict_correctness": [(10, 0.4), (20, 0.4)],
    }
    assert (reward.x, reward.y) == ("step", "mean reward")


def test_rates_of_rollouts_are_one_chart() -> None:
    assert charts(LOG)["How rollouts were judged"].series == {
        "accuracy": [(10, 0.6), (20, 0.6)],
        "verdict flip rate": [(10, 0.3), (20, 0.3)],
    }


def test_lengths_loss_and_entropy_have_their_own() -> None:
    found = charts(LOG)
    assert set(found["Completion length"].series) == {"mean", "longest"}
    assert found["Loss"].series == {"loss": [(10, 0.25), (20, 0.25)]}
    assert found["Entropy"].series == {"entropy": [(10, 1.25), (20, 1.25)]}
    assert len(found) == 5


@pytest.mark.parametrize(
    ("history", "titles"),
    [
        ([], []),
        ([{"step": 1, "train_runtime": 2.0}], []),
        ([{"step": 1, "loss": 2.0}], ["Loss"]),
        ([{"step": 1, "rewards/a/std": 2.0}], []),
        ([{"step": 1, "rewards/a/mean": 2.0}], ["Reward"]),
    ],
)
def test_what_was_not_logged_is_no_chart(history: Log, titles: list[str]) -> None:
    assert list(charts(history)) == titles


def test_a_quantity_logged_now_and_then_has_the_points_it_has() -> None:
    history: Log = [{"step": 1, "a": 0.0}, {"step": 2}, {"step": 3, "a": 1.0, "b": 2.0}]
    assert points(history, "a") == [(1, 0.0), (3, 1.0)]
    chart = curves("t", "y", history, {"a": "first", "b": "second", "c": "third"})
    assert chart.series == {"first": [(1, 0.0), (3, 1.0)], "second": [(3, 2.0)]}
    assert chart.table().rows == ((1.0, 0.0, None), (3.0, 1.0, 2.0))


@pytest.mark.parametrize(
    ("train", "title"),
    [
        (Grpo(), "Training a pairwise-verdict judge (grpo)"),
        (None, "Training a pairwise-verdict judge (training)"),
    ],
)
def test_a_report_names_the_run(train: Grpo | None, title: str) -> None:
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted())
    report = training_report(Run(judge=judge, train=train, seed=17), LOG)
    assert report.title == title
    assert "Seed 17" in report.summary


def test_the_page_shows_the_numbers() -> None:
    judge = JudgeRewardModel(format=Pointwise(), engine=Scripted())
    page = render(training_report(Run(judge=judge, train=Grpo()), LOG))
    assert page.count("<svg") == 2 * 5, "for a desk and for a phone"
    for text in ("Training a pointwise judge", "weighted sum", "0.75", "12.5"):
        assert text in page
    assert "grad_norm" not in page


def test_a_run_that_logged_nothing_is_a_page_all_the_same() -> None:
    judge = JudgeRewardModel(format=Pointwise(), engine=Scripted())
    page = render(training_report(Run(judge=judge, train=Grpo()), []))
    assert "Training a pointwise judge" in page and "<svg" not in page
