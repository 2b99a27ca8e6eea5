"""The quickstart's judge learns to be consistent in the real OpenRLHF; on two engines here.

And another way to run it: with generation and training at once, and another estimator.

One run tells of one start, and J1_TEST_START=3 takes another than that of seed 0, with other tasks;
benchmarks/openrlhf_learning.py trains several, and says how often this would fail.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from biased_judge import biased_judge, fingerprint
from learning import TESTED, Recipe, judged, run_of, sums, tossed
from learnt import ALPHA, START, right_in, right_in_both, sign_test
from openrlhf_runs import Finished, finish, moved, series, started, weights

from j1sdk import JudgeResult
from j1sdk.evaluation.metrics import measure

pytestmark = pytest.mark.stack

PAIRS = 300
SHORT = TESTED._replace(steps=4, estimator="dr_grpo")
"""Where nothing need be learnt."""
BEFORE, LABELS, TOSSES, AT_ONCE = "before", "labels", "tosses", "at once"
ENGINE = re.compile(r"EngineCore pid=(\d+)")


@pytest.fixture(scope="module")
def start() -> Path:
    return biased_judge(START)


@pytest.fixture(scope="module")
def learnt(start: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """By the labels, and by tosses in their place.

    By tosses, every verdict earns one half. That takes a reward of each verdict by itself: one for
    consistency would pay one half for the same response in both orders, and nothing for a flip,
    which is enough for a judge that can add to give up its bias.
    """
    folder, tasks = tmp_path_factory.mktemp("learnt"), sums(TESTED, seed=2 + START)
    data = {LABELS: tasks, TOSSES: tossed(tasks, folder / "tosses.jsonl")}
    runs = {}
    for name, source in data.items():
        run = run_of(start, source, TESTED, engines=2, colocate=False)
        with started(run, folder / name) as command:
            runs[name] = finish(command, 1200)
    return runs


@pytest.fixture(scope="module")
def measured(start: Path, learnt: dict[str, Finished]) -> dict[str, list[JudgeResult]]:
    """What each judge says of the same sums, that no training shows: drawn at temperature 1.

    A greedy verdict is a threshold, which a judge may have come close to or be far beyond.
    """
    judges = {BEFORE: start} | {name: run.out / "judge" for name, run in learnt.items()}
    return {name: judged(judge, PAIRS, 1.0, seed=1) for name, judge in judges.items()}


@pytest.fixture(scope="module")
def asynchronous(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Generates for the next step while it trains on this one."""
    out = tmp_path_factory.mktemp("asynchronous") / "out"
    with started(run_of(start, sums(SHORT, seed=2), SHORT, asynchronous=True), out) as command:
        return finish(command)


@pytest.fixture(scope="module")
def runs(learnt: dict[str, Finished], asynchronous: Finished) -> dict[str, Finished]:
    return {**learnt, AT_ONCE: asynchronous}


def figures(measured: Mapping[str, list[JudgeResult]]) -> str:
    """Of each judge, what it judged right in both orders, and what it flipped."""
    rates = {name: measure(results) for name, results in measured.items()}
    told = [
        f"{name} {found.position_consistent_accuracy:.3f} ({found.verdict_flip_rate:.3f} flipped)"
        for name, found in rates.items()
    ]
    return f"start {START}, {TESTED.steps} steps, consistent at T = 1: {', '.join(told)}"


def test_it_begins_with_position_bias(measured: dict[str, list[JudgeResult]]) -> None:
    """It is right about more pairs whose right response comes first than about turned ones."""
    first, second = (right_in(measured[BEFORE], order) for order in ("0,1", "1,0"))
    assert sign_test(first, second).p < ALPHA
    assert measure(measured[BEFORE]).invalid_rate == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("other", [BEFORE, TOSSES])
def test_it_learns_from_labels_to_be_right_in_both_orders(
    other: str,
    measured: dict[str, list[JudgeResult]],
    record_property: Callable[[str, object], None],
) -> None:
    found = sign_test(right_in_both(measured[LABELS]), right_in_both(measured[other]))
    told = f"labels to {other} {found} ({PAIRS} pairs)"
    record_property("figures", f"{figures(measured)}; {told}")
    assert found.p < ALPHA


def test_nothing_is_left_behind(runs: dict[str, Finished]) -> None:
    assert [run.left for run in runs.values()] == [[], [], []]


@pytest.mark.parametrize("name, recipe", [(LABELS, TESTED), (TOSSES, TESTED), (AT_ONCE, SHORT)])
def test_every_rollout_of_both_orders_is_trained_on(
    name: str, recipe: Recipe, runs: dict[str, Finished]
) -> None:
    run = runs[name]
    assert series(run, "step") == list(range(1, recipe.steps + 1))
    assert set(series(run, "rollout/num_samples")) == {2 * recipe.tasks * recipe.rollouts}
    assert set(series(run, "judge/status/engine_error")) == {0.0}


@pytest.mark.parametrize("name", [LABELS, TOSSES, AT_ONCE])
def test_rewards_are_logged_and_weights_moved(
    name: str, start: Path, runs: dict[str, Finished]
) -> None:
    run = runs[name]
    rewards = series(run, "rewards/verdict-correctness/mean")
    assert rewards == pytest.approx(series(run, "reward"))
    assert all(0 <= reward <= 1 for reward in rewards) and any(rewards)
    assert all(map(math.isfinite, series(run, "loss")))
    before, after = weights(start), weights(run.out / "judge")
    assert before.keys() == after.keys() and moved(before, after) > len(before) * 0.8


@pytest.mark.parametrize("name", [LABELS, TOSSES])
def test_both_engines_compute_with_the_weights_that_are_trained(
    name: str, learnt: dict[str, Finished]
) -> None:
    """One of two with old weights would differ in half of the rollouts."""
    run = learnt[name]
    assert len(set(ENGINE.findall((run.out / "openrlhf.log").read_text()))) == 2
    assert all(abs(apart) < 5e-3 for apart in series(run, "vllm_kl"))


def test_generation_and_training_go_on_at_once(asynchronous: Finished) -> None:
    """What was generated is one policy behind, so the weights are a little apart."""
    assert "PPOTrainerAsync" in (asynchronous.out / "openrlhf.log").read_text()
    assert all(abs(apart) < 0.1 for apart in series(asynchronous, "vllm_kl"))


def test_a_biased_judge_is_made_anew_when_its_code_changes(
    start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start.name == f"{START}-{fingerprint()}"
    known = fingerprint()
    monkeypatch.setattr("biased_judge.MADE_BY", ("j1sdk_quickstart.sums",))
    assert fingerprint() != known
