"""The quickstart's judge learns to be consistent in the real OpenRLHF; on two engines here.

And another way to run it: with generation and training at once, and another estimator.
"""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
from biased_judge import biased_judge, fingerprint
from j1sdk_quickstart.tasks import Arithmetic
from openrlhf_runs import Finished, finish, moved, series, started, weights

from j1sdk import JudgeRewardModel, PairwiseVerdict, Sampling, Source, Transformers
from j1sdk.data.jsonl import JsonLines
from j1sdk.evaluation.metrics import Metrics, Rate, measure
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run
from j1sdk.training.openrlhf.cluster import Cluster
from j1sdk.training.openrlhf.trainer import OpenRLHF

pytestmark = pytest.mark.stack

STEPS, TASKS, ROLLOUTS = 12, 16, 4
SHORT = 6
"""Steps where nothing need be learnt."""
LABELS, TOSSES, AT_ONCE = "labels", "tosses", "at once"
ENGINE = re.compile(r"EngineCore pid=(\d+)")


@pytest.fixture(scope="module")
def biased() -> JudgeRewardModel:
    model = str(biased_judge())
    engine = Transformers(model=model, device="cpu", dtype="float32", batch_size=128)
    sampling = Sampling(max_new_tokens=48)
    return JudgeRewardModel(format=PairwiseVerdict(), engine=engine, sampling=sampling)


def run_of(judge: JudgeRewardModel, data: Source, estimator: str, **cluster: Any) -> Run:
    train = OpenRLHF.model_validate(
        {
            "learning_rate": 1e-3, "tasks_per_step": TASKS, "rollouts": ROLLOUTS,
            "rewards": (VerdictCorrectness(),), "estimator": estimator,
            "cluster": Cluster(gpus_per_node=1, gpu_memory=0.1, tokens_per_gpu=8192, **cluster),
            "options": {"vllm.enforce_eager": True, "actor.lr_warmup_ratio": 0},
        }
    )  # fmt: skip
    return Run(judge=judge, data=data, train=train, seed=7)


def sums(steps: int) -> Arithmetic:
    return Arithmetic(seed=2, limit=steps * TASKS, held_out=False)


def tossed(source: Source, path: Path) -> JsonLines:
    """The same tasks; which response is preferred is a toss."""
    generator, lines = random.Random(0), []
    for task in source.load():
        chosen, rejected = generator.sample(task.responses, 2)
        asked = task.prompt[0].content
        lines.append({"prompt": asked, "chosen": chosen, "rejected": rejected, "id": task.id})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return JsonLines(path=path)


@pytest.fixture(scope="module")
def learnt(
    biased: JudgeRewardModel, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Finished]:
    """By the labels, and by tosses in their place.

    By tosses, every verdict earns one half. That takes a reward of each verdict by itself: one for
    consistency would pay one half for the same response in both orders, and nothing for a flip,
    which is enough for a judge that can add to give up its bias.
    """
    folder = tmp_path_factory.mktemp("learnt")
    data = {LABELS: sums(STEPS), TOSSES: tossed(sums(STEPS), folder / "tosses.jsonl")}
    runs = {}
    for name, source in data.items():
        run = run_of(biased, source, "rloo", engines=2, colocate=False)
        with started(run, folder / name) as command:
            runs[name] = finish(command, 1200)
    return runs


@pytest.fixture(scope="module")
def measured(biased: JudgeRewardModel, learnt: dict[str, Finished]) -> dict[str, Metrics]:
    """Greedily, on sums that no training shows; the biased judge has no name."""
    tasks = Arithmetic(seed=100, limit=300).load()
    judges = {name: JudgeRewardModel.load(run.out / "judge") for name, run in learnt.items()}
    return {name: measure(judge.judge(tasks)) for name, judge in ({"": biased} | judges).items()}


@pytest.fixture(scope="module")
def asynchronous(biased: JudgeRewardModel, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Generates for the next step while it trains on this one."""
    out = tmp_path_factory.mktemp("asynchronous") / "out"
    with started(run_of(biased, sums(SHORT), "dr_grpo", asynchronous=True), out) as command:
        return finish(command)


@pytest.fixture(scope="module")
def runs(learnt: dict[str, Finished], asynchronous: Finished) -> dict[str, Finished]:
    return {**learnt, AT_ONCE: asynchronous}


def rate(metrics: Metrics, name: str) -> Rate:
    found = metrics.rate(name)
    assert found is not None
    return found


def test_it_begins_with_position_bias(measured: dict[str, Metrics]) -> None:
    assert rate(measured[""], "verdict_flip_rate").low > 0.6
    assert rate(measured[""], "position_consistent_accuracy").high < 0.3
    assert measured[""].invalid_rate == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("other", ["", TOSSES])
def test_it_learns_from_labels_to_be_right_in_both_orders(
    other: str, measured: dict[str, Metrics]
) -> None:
    trained, control = measured[LABELS], measured[other]
    right, flips = "position_consistent_accuracy", "verdict_flip_rate"
    assert rate(trained, right).low > rate(control, right).high + 0.3
    assert rate(trained, flips).high < rate(control, flips).low - 0.3


def test_nothing_is_left_behind(runs: dict[str, Finished]) -> None:
    assert [run.left for run in runs.values()] == [[], [], []]


@pytest.mark.parametrize("name, steps", [(LABELS, STEPS), (TOSSES, STEPS), (AT_ONCE, SHORT)])
def test_every_rollout_of_both_orders_is_trained_on(
    name: str, steps: int, runs: dict[str, Finished]
) -> None:
    run = runs[name]
    assert series(run, "step") == list(range(1, steps + 1))
    assert set(series(run, "rollout/num_samples")) == {2 * TASKS * ROLLOUTS}
    assert set(series(run, "judge/status/engine_error")) == {0.0}


@pytest.mark.parametrize("name", [LABELS, TOSSES, AT_ONCE])
def test_rewards_are_logged_and_weights_moved(name: str, runs: dict[str, Finished]) -> None:
    run = runs[name]
    rewards = series(run, "rewards/verdict-correctness/mean")
    assert rewards == pytest.approx(series(run, "reward"))
    assert all(0 <= reward <= 1 for reward in rewards) and any(rewards)
    assert all(map(math.isfinite, series(run, "loss")))
    before, after = weights(biased_judge()), weights(run.out / "judge")
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


def test_the_biased_judge_is_made_anew_when_its_code_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert biased_judge().name == fingerprint()
    known = fingerprint()
    monkeypatch.setattr("biased_judge.MADE_BY", ("arithmetic/sums.py",))
    assert fingerprint() != known
