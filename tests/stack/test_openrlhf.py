"""A judge trained by the real OpenRLHF: Ray, vLLM and DeepSpeed, unmodified, on the CPU.

`shim` stands in for what a GPU would do, and for nothing else: the options are those of a node
with one GPU. Run by `make test-stack`.
"""

from __future__ import annotations

import math
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil
import pytest
from j1sdk_openrlhf.launch import last_words
from j1sdk_quickstart.tasks import Arithmetic
from openrlhf_runs import (
    MARK,
    ROLLOUTS,
    STEPS,
    TASKS,
    Command,
    Finished,
    finish,
    moved,
    run_of,
    series,
    started,
    weights,
)

from j1sdk import (
    JudgeRewardModel,
    JudgmentStatus,
    PairwiseVerdict,
    Pointwise,
)
from j1sdk.rewards.format_adherence import FormatAdherence

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def hesitant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt to judge by guessing, and to give no answer half of the time."""
    import torch
    from j1sdk_quickstart.models import make_model, make_tokenizer
    from j1sdk_quickstart.pretraining import Lesson, batch, make_optimizers, train_step

    from j1sdk.types import presentations

    format, generator = PairwiseVerdict(), random.Random(0)
    tasks = Arithmetic(seed=1, limit=1000, held_out=False).load()

    def lesson() -> Lesson:
        shown = generator.choice(presentations(generator.choice(tasks), 2))
        thought = str(generator.randrange(10))
        guess = format.write(generator.choice(((1.0, 0.0), (0.0, 1.0))), thought)
        written = generator.choice((guess, format.thought(thought)))
        return Lesson(format.render(shown), written + str(tokenizer.eos_token))

    tokenizer = make_tokenizer([format, Pointwise()])  # bytes of a prompt would be 400 tokens
    model = make_model(tokenizer, seed=0, hidden=128, layers=2)
    optimizers = make_optimizers(model)
    for step in range(100):
        rows = batch(tokenizer, [lesson() for _ in range(32)])
        train_step(model, optimizers, rows, scale=1 - step / 100)
    directory = tmp_path_factory.mktemp("hesitant")
    model.to(torch.bfloat16).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def trained(hesitant: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    with started(run_of(hesitant), tmp_path_factory.mktemp("trained") / "out") as command:
        return finish(command)


def test_it_ends_well_and_leaves_no_process(trained: Finished) -> None:
    assert trained.left == []
    assert (trained.out / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    "name",
    [
        "reward", "rewards/verdict-consistency/mean", "rewards/format-adherence/mean", "loss",
        "judge/accuracy", "judge/verdict_flip_rate", "judge/invalid_rate", "vllm_kl",
        "completions/mean_length", *(f"judge/status/{status}" for status in JudgmentStatus),
    ],
)  # fmt: skip
def test_every_step_logs(trained: Finished, name: str) -> None:
    assert series(trained, "step") == list(range(1, STEPS + 1))
    assert all(map(math.isfinite, series(trained, name)))


def test_every_rollout_of_both_orders_is_trained_on(trained: Finished) -> None:
    assert set(series(trained, "rollout/num_samples")) == {2 * TASKS * ROLLOUTS}
    assert set(series(trained, "judge/status/engine_error")) == {0.0}


def test_what_is_rewarded_is_learnt(trained: Finished) -> None:
    """Which is to keep to the format, mostly; the tiny model cannot add."""
    first, *_ = reward = series(trained, "reward")
    assert fmean(reward[2:]) > first + 0.15


def largest(values: list[float]) -> float:
    """In size; comparisons alone would let NaN pass."""
    assert all(map(math.isfinite, values))
    return max(map(abs, values))


def test_the_engine_computes_with_the_weights_that_are_trained(trained: Finished) -> None:
    assert largest(series(trained, "vllm_kl")) < 5e-3


@pytest.fixture(scope="module")
def forgetful(hesitant: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Its engine keeps the weights it began with; and each of half the tasks has two rows."""
    both: dict[str, Any] = {"multitask": (Pointwise(),), "rewards": (FormatAdherence(),)}
    run = run_of(hesitant, tasks_per_step=TASKS // 2, **both)
    out = tmp_path_factory.mktemp("forgetful") / "out"
    with started(run, out, J1_TEST_FORGETFUL_ENGINE="1") as command:
        return finish(command)


def test_an_engine_with_old_weights_would_be_seen(forgetful: Finished) -> None:
    first, *later = series(forgetful, "vllm_kl")
    assert abs(first) < 5e-3 and largest(later) > 1e-2


def test_two_formats_are_trained_in_one_model(forgetful: Finished) -> None:
    """It knows one of them; of the other's answers none is valid."""
    assert series(forgetful, "step") == list(range(1, STEPS + 1))
    assert set(series(forgetful, "rollout/num_samples")) == {2 * TASKS * ROLLOUTS}
    shares = series(forgetful, "j1/share/pointwise")
    assert min(shares) < 0.5 < max(shares) and fmean(shares) == pytest.approx(0.5)
    for entry in forgetful.history:
        share, term = entry["j1/share/pointwise"], "format-adherence/mean"
        own, other = (entry.get(f"rewards/{part}{term}", 0.0) for part in ("", "pointwise/"))
        assert entry["reward"] == pytest.approx((1 - share) * own + share * other, abs=1e-5)
        assert entry.get("judge/pointwise/invalid_rate", 1.0) > 0.9
    assert forgetful.history[-1]["judge/invalid_rate"] < 0.9


def test_the_judge_opens_with_new_weights(trained: Finished, hesitant: Path) -> None:
    judge = JudgeRewardModel.load(trained.out / "judge")
    (result,) = judge.judge(Arithmetic(limit=1).load())
    assert {judgment.order for judgment in result.judgments} == {(0, 1), (1, 0)}
    assert result.usage.completion_tokens > 0
    before, after = weights(hesitant), weights(trained.out / "judge")
    assert before.keys() == after.keys() and moved(before, after) > 20


def test_an_engine_that_dies_ends_the_run(hesitant: Path, tmp_path: Path) -> None:
    run = run_of(hesitant, save_steps=1, epochs=50)
    with started(run, tmp_path / "out") as command:
        command.until(command.has_checkpoint)
        for process in command.processes():
            if "EngineCore" in process.name():
                process.kill()
        assert command.end(180) == 1
        assert "OpenRLHF ended with exit code 1" in command.said
        assert command.processes() == []


def test_a_driver_that_is_killed_leaves_no_process(hesitant: Path, tmp_path: Path) -> None:
    with started(run_of(hesitant), tmp_path / "out") as command:
        command.until(lambda: any("EngineCore" in one.name() for one in command.processes()))
        (driver,) = (one for one in command.processes() if is_driver(one))
        driver.kill()
        assert command.end(90) == 1
        assert "OpenRLHF ended with exit code -9" in command.said
        assert command.processes() == []


def is_driver(process: psutil.Process) -> bool:
    return "openrlhf.cli.train_ppo_ray" in process.cmdline()


def test_an_interrupted_run_goes_on(hesitant: Path, tmp_path: Path) -> None:
    run = run_of(hesitant, save_steps=2, epochs=2)
    with started(run, tmp_path / "out") as command:
        command.until(command.has_checkpoint)
        command.process.send_signal(signal.SIGINT)
        assert command.end(90) == 130
        assert re.search(r"stopped at step [2468] of 16; .* add --resume", command.said)
        assert command.processes() == []
    with started(run, tmp_path / "out", "--resume") as command:
        resumed = finish(command)
    log = (resumed.out / "openrlhf.log").read_text()
    assert "Loading the checkpoint" in log and log.count("Global step 1:") == 1
    assert series(resumed, "step") == list(range(1, 2 * STEPS + 1))
    assert largest(series(resumed, "vllm_kl")) < 5e-3


LAUNCH = """
import sys
from pathlib import Path
from typing import Any
from j1sdk_openrlhf.launch import launch
launch(["sh", "-c", "sleep 60 & wait"], Path(sys.argv[1]), lambda: print("watching", flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_whole_group(number: int, tmp_path: Path) -> None:
    around = {**os.environ, MARK: str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(tmp_path / "log")], env=around, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    command = Command(process, tmp_path, str(tmp_path))
    assert process.stdout is not None and process.stdout.readline() == "watching\n"
    assert len(command.processes()) == 3
    process.send_signal(number)
    assert "KeyboardInterrupt" in process.communicate(timeout=60)[1]
    assert command.processes() == []


def test_the_last_words_are_the_drivers(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("begun\nValueError: no\n\x1b[36m(Worker pid=7)\x1b[0m   later\n\n")
    assert last_words(log) == "begun\nValueError: no"
    log.write_text("(Worker pid=7) alone\n")
    assert last_words(log) == "(Worker pid=7) alone"
