"""j1 train, from a shell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from j1sdk_openrlhf.trainer import OpenRLHF
from j1sdk_quickstart.tasks import Arithmetic
from shell import as_before, install, refusal, spawn

from j1sdk import (
    ConfigError,
    JudgeRewardModel,
    Sampling,
    Transformers,
)
from j1sdk.cli.train import as_trainer
from j1sdk.training.trl import Grpo

TRAIN = """
seed = 3

[judge]
format = {{ name = "pairwise-verdict", thinking = "think" }}
engine = {{ name = "transformers", model = "{model}", dtype = "float32", device = "cpu" }}
sampling = {{ max_new_tokens = 4 }}

[data]
name = "arithmetic"
limit = 4

[train]
name = "sft"
steps = 1
batch_size = 2
logging_steps = 1
drop_long = true
report_to = []
"""
STOPPED = """
from pathlib import Path
from j1sdk import hookimpl
from j1sdk.training import Interrupted, Trainer

class Stopped(Trainer):
    name = "stopped"

    def train(self, run, out, resume=False, progress=None):
        raise Interrupted(3, 10, out)

@hookimpl
def trainers():
    return [Stopped]
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from as_before(monkeypatch)


class TestTrain:
    @pytest.fixture
    def run_file(self, tiny_model: Path, tmp_path: Path) -> Path:
        path = tmp_path / "run.toml"
        path.write_text(TRAIN.format(model=tiny_model), encoding="utf-8")
        return path

    def test_a_step_leaves_a_judge_a_log_and_a_report(self, run_file: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        result = spawn("train", run_file, "--out", out)
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip() == f"Judge: {out / 'judge'}"
        assert "Traceback" not in result.stderr and f"Report: {out}" in result.stderr
        said = result.stderr.splitlines()  # which is no terminal
        assert any(line.startswith("Training (sft): step 1 of 1, loss ") for line in said)
        assert any(line.startswith("Training (sft): 1 of 1, ") for line in said)
        history: list[dict[str, Any]] = json.loads((out / "log.json").read_text())
        assert [entry["step"] for entry in history if "loss" in entry] == [1]
        assert "Training a pairwise-verdict judge (sft)" in (out / "report.html").read_text()
        trained = JudgeRewardModel.load(out / "judge")
        assert isinstance(trained.engine, Transformers)
        assert trained.engine.model == str(out / "judge")
        assert trained.sampling == Sampling(max_new_tokens=4)
        assert "is not empty: give --resume" in refusal("train", run_file, "--out", out)
        (judged,) = trained.judge(Arithmetic(limit=1).load())
        assert len(judged.judgments) == 2

    def test_an_engine_without_weights_is_refused_first(self, tmp_path: Path) -> None:
        text = TRAIN.format(model="x").split("engine")[0] + 'engine = "scripted"\n'
        text += '[data]\nname = "arithmetic"\n[train]\nname = "grpo"\n'
        (tmp_path / "run.toml").write_text(text, encoding="utf-8")
        message = refusal("train", tmp_path / "run.toml", "--out", tmp_path / "out")
        assert 'set judge.engine to { name = "transformers"' in message
        assert not (tmp_path / "out").exists()

    def test_an_interrupted_training_says_how_to_go_on(self, tmp_path: Path) -> None:
        path = install(tmp_path / "plugins", STOPPED)
        run_file = tmp_path / "run.toml"
        run_file.write_text(
            '[judge]\nformat = "pointwise"\nengine = "scripted"\n[train]\nname = "stopped"\n',
            encoding="utf-8",
        )
        result = spawn("train", run_file, "--out", tmp_path / "out", path=path)
        assert result.returncode == 130
        assert result.stderr.splitlines()[-1].startswith("error: stopped at step 3 of 10; ")
        assert "--resume" in result.stderr and "Traceback" not in result.stderr

    def test_another_trainer_takes_what_both_have(self) -> None:
        told = Grpo(rollouts=5, tasks_per_step=32, kl=0.01, options={"beta": 0.1})
        taken = as_trainer(told, "openrlhf")
        assert isinstance(taken, OpenRLHF)
        assert (taken.rollouts, taken.tasks_per_step, taken.kl) == (5, 32, 0.01)
        assert taken.rewards == told.rewards and taken.options == {}
        assert as_trainer(told, "grpo") == told

    @pytest.mark.parametrize(
        ("name", "complaint"),
        [("grpoo", "did you mean 'grpo'"), ("openrlhf", "trainer 'openrlhf': epochs")],
    )
    def test_a_trainer_that_cannot_take_them_is_refused(self, name: str, complaint: str) -> None:
        with pytest.raises(ConfigError, match=complaint):
            as_trainer(Grpo(epochs=0.5), name)

    def test_the_named_trainer_is_the_one_that_checks(self, tmp_path: Path) -> None:
        text = '[judge]\nformat = "pairwise-verdict"\nengine = "scripted"\n'
        text += '[data]\nname = "arithmetic"\n[train]\nname = "grpo"\n'
        (tmp_path / "run.toml").write_text(text, encoding="utf-8")
        words = ("train", tmp_path / "run.toml", "--out", tmp_path / "out", "--trainer", "openrlhf")
        assert "openrlhf trains the weights of a model" in refusal(*words)
