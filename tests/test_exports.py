"""A judge's training, laid out for frameworks that have a command of their own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from exported import (
    ALONE,
    ROLLOUTS,
    TOGETHER,
    by_openrlhf,
    by_trl,
    ids_of,
    recorded,
    run_file,
)
from j1sdk_verl.export import Verl
from transformers import AutoTokenizer

from j1sdk import ConfigError
from j1sdk.cli import j1
from j1sdk.errors import TrainingError
from j1sdk.run import read_run
from j1sdk.training.exports import RolloutLabel, open_grader
from j1sdk.training.layout import decode


def exported(model: Path, folder: Path, *words: str, rewards: Any = ALONE) -> Any:
    file = run_file(model, folder, rewards, tasks=10)
    return CliRunner().invoke(
        j1, ["export", str(file), "--to", str(folder / "out"), "--for", *words]
    )


def test_both_orders_stand_side_by_side_with_what_they_are_graded_by(
    tiny_model: Path, tmp_path: Path
) -> None:
    result = exported(tiny_model, tmp_path, "verl")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "out/rows.jsonl").read_text().splitlines()]
    labels = [
        RolloutLabel.model_validate_json(one["reward_model"]["ground_truth"]) for one in lines
    ]
    assert [label.visit for label in labels] == [n // 2 for n in range(20)]
    assert [label.order for label in labels] == [(0, 1), (1, 0)] * 10
    asked = [one["prompt"][-1]["content"] for one in lines]
    for label, text in zip(labels, asked, strict=True):
        assert label.task.preferred == 0 and label.task.prompt[0].content in text
    assert "data.train_batch_size=10" in result.stdout and "data.shuffle=false" in result.stdout
    assert "actor_rollout_ref.rollout.n=4" in result.stdout
    assert read_run(tmp_path / "out/run.toml") == read_run(tmp_path / "judge.toml")


@pytest.mark.parametrize("rewards", [ALONE, TOGETHER])
def test_rewards_are_those_of_trl_and_openrlhf(
    rewards: Any, tiny_model: Path, tmp_path: Path
) -> None:
    """A thousand rollouts, of which none is graded another way."""
    run = read_run(file := run_file(tiny_model, tmp_path, rewards))
    tokenizer, made = AutoTokenizer.from_pretrained(tiny_model), Verl().lay_out(run)
    texts = recorded(len(made.rows) * ROLLOUTS)
    ids = [ids_of(tokenizer, text) for text in texts]
    grader = open_grader(file, ROLLOUTS, wait=60)

    async def all_at_once() -> list[float]:
        labels = [row.label for row in made.rows for _ in range(ROLLOUTS)]
        waiting = [
            grader.grade(label, decode(tokenizer, one))
            for label, one in zip(labels, ids, strict=True)
        ]
        return [grade.reward for grade in await asyncio.gather(*waiting)]

    ours = asyncio.run(all_at_once())
    assert len(ours) == 1000 and len(set(ours)) > 3
    assert ours == pytest.approx(by_trl(run, tmp_path / "trl", ids), abs=1e-6)
    assert ours == by_openrlhf(run, made, texts, tokenizer)


def test_a_task_whose_rollouts_do_not_all_come_is_not_graded(
    tiny_model: Path, tmp_path: Path
) -> None:
    run = read_run(file := run_file(tiny_model, tmp_path, TOGETHER, tasks=5))
    tokenizer, row = AutoTokenizer.from_pretrained(tiny_model), Verl().lay_out(run).rows[0]
    written = decode(tokenizer, ids_of(tokenizer, recorded(1)[0]))
    with pytest.raises(TrainingError, match="only 1 rollouts of a task came"):
        asyncio.run(open_grader(file, ROLLOUTS, wait=0.05).grade(row.label, written))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (['train={name="sft"}'], 'the run trains by sft: set train.name = "grpo"'),
        (['train.estimator="reinforce_baseline"'], "verl's GRPO has no reinforce_baseline"),
        (['train.multitask=["pointwise"]'], "multitask"),
        (['judge.engine={name="scripted"}'], "set judge.engine to"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    settings: list[str], said: str, tiny_model: Path, tmp_path: Path
) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    result = exported(tiny_model, tmp_path, "verl", *words)
    assert isinstance(result.exception, ConfigError) and said in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_an_unknown_framework_is_named_with_those_there_are(
    tiny_model: Path, tmp_path: Path
) -> None:
    result = exported(tiny_model, tmp_path, "verls")
    assert "did you mean 'verl'" in str(result.exception)
