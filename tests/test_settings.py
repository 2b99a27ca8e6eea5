"""`--set KEY=VALUE` changes an option of a run file, as if the file said so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from j1sdk import ConfigError
from j1sdk.cli import j1
from j1sdk.run import Run, read_run

TEXT = """
[judge]
format = "pairwise-verdict"
engine = { name = "scripted", answers = ["<think></think><answer>[[A]]</answer>"] }

[data]
name = "jsonl"
path = "pairs.jsonl"

[train]
name = "grpo"
rewards = ["verdict-consistency", { name = "format-adherence", weight = 0.1 }]
"""


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(TEXT)
    pair = '{"prompt": "q", "chosen": "good", "rejected": "bad"}\n'
    (tmp_path / "pairs.jsonl").write_text(pair)
    (tmp_path / "others.jsonl").write_text(pair * 2)
    return path


def changed(path: Path, *settings: str) -> Run:
    return read_run(path, settings=settings)


@pytest.mark.parametrize(
    "setting, path, value",
    [
        ("train.learning_rate=1e-5", "train.learning_rate", 1e-5),
        ("train.learning_rate = 1e-5", "train.learning_rate", 1e-5),
        ("seed=3", "seed", 3),
        ("judge.format.thinking=plan", "judge.format.thinking", "plan"),
        ('judge.format.thinking="plan"', "judge.format.thinking", "plan"),
        ("judge.format=pointwise", "judge.format.name", "pointwise"),
        ("judge.sampling.temperature=0.7", "judge.sampling.temperature", 0.7),
        ("train.lora={}", "train.lora.rank", 16),
        ("train.lora.rank=4", "train.lora.rank", 4),
        ("train.rewards.1.weight=0.5", "train.rewards.1.weight", 0.5),
        ("train.rewards.0.wrong=-1", "train.rewards.0.wrong", -1.0),
        ("judge.engine.answers=['=']", "judge.engine.answers", ("=",)),
        ("train.drop_long=true", "train.drop_long", True),
    ],
)
def test_any_key_may_be_set(run_file: Path, setting: str, path: str, value: Any) -> None:
    found: Any = changed(run_file, setting)
    for key in path.split("."):
        found = found[int(key)] if key.isdecimal() else getattr(found, key)
    assert found == value


def test_it_is_as_if_the_file_said_so(run_file: Path) -> None:
    run = changed(run_file, "data.path=others.jsonl", "data.limit=1", "data.limit=2")
    assert run.data is not None and len(run.data.load()) == 2
    run_file.write_text(
        TEXT.replace("pairs.jsonl", "others.jsonl").replace("[train]", "limit=2\n[train]")
    )
    assert read_run(run_file) == run


@pytest.mark.parametrize(
    "setting, complaint",
    [
        ("train.learning_rat=1", "train: unknown key 'learning_rat'; did you mean 'learning_rate'"),
        ("trian.lora.rank=1", "unknown key 'trian'; did you mean 'train'"),
        (
            "judge.format.thinking=plann",
            "judge.format.thinking: Input should be 'think', 'plan' or 'none'",
        ),
        ("judge.format=pairwize-verdict", "did you mean 'pairwise-verdict'"),
        ("serve.port=eighty", "serve.port: Input should be a valid integer"),
        ("train.rewards.2.weight=1", "there is a list of 2; say which, from 0"),
        ("train.name.x=1", "`name` should be a text"),
        ("train.rewards.1.weight.x=1", "x: there is 0.1 and no table"),
        ("nothing", "--set nothing: write KEY=VALUE, such as train.learning_rate=1e-5"),
        ("a..b=1", "write KEY=VALUE"),
        ("=1", "write KEY=VALUE"),
    ],
)
def test_a_wrong_key_or_value_says_which(run_file: Path, setting: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        changed(run_file, setting)


@pytest.mark.parametrize("command", ["train", "judge", "scale", "serve", "eval"])
def test_every_command_with_a_run_file_takes_it(run_file: Path, command: str) -> None:
    out = [] if command in ("serve", "eval") else ["--out", str(run_file.parent / "out")]
    words = [command, str(run_file), *out, "--set", "judge.sampling.temperatur=1"]
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        CliRunner().invoke(j1, words, catch_exceptions=False)
    assert not (run_file.parent / "out").exists()


def test_it_reaches_the_judge_that_is_asked(run_file: Path) -> None:
    words = ["eval", str(run_file), "--json", "--set", "judge.orders=first"]
    shown = CliRunner().invoke(j1, words, catch_exceptions=False)
    assert '"ok": 1' in shown.output


def test_a_plain_key_of_eval_is_the_benchmarks(run_file: Path) -> None:
    words = ["eval", str(run_file), "--set", "subset=x"]
    with pytest.raises(ConfigError, match="--set OPTION goes with --benchmark NAME"):
        CliRunner().invoke(j1, words, catch_exceptions=False)
