"""Judges of a few thousand parameters, trained with the real TRL."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from tiny_training import described, train, untrained, write_pairs
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl_runs import GRPO, SFT, Recording, opened, recording

from j1sdk.engines.transformers import Transformers
from j1sdk.errors import ConfigError
from j1sdk.formats.pointwise import Pointwise
from j1sdk.judge import JudgeRewardModel
from j1sdk.run import read_run
from j1sdk.training import Interrupted
from j1sdk.training.trl import Grpo, Sft
from j1sdk.types import JudgmentTask


class Done(NamedTuple):
    """A finished run: its folder, its log and what it graded."""

    out: Path
    history: list[dict[str, Any]]
    reward: Recording


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs.jsonl", 8)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("base"))


def weights(directory: Path) -> dict[str, torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def logged(history: Sequence[dict[str, Any]], key: str) -> list[float]:
    return [entry[key] for entry in history if key in entry]


@pytest.fixture(scope="module")
def fluent(base: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an SFT run: its judge answers in the format, and knows nothing."""
    out = tmp_path_factory.mktemp("sft")
    train(described(base, pairs, SFT | {"steps": 40}), out)
    return out


@pytest.fixture(scope="module")
def judge(fluent: Path) -> Path:
    return fluent / "judge"


@pytest.fixture(scope="module")
def whole(judge: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A GRPO run of four steps that nothing interrupts, with its log and what it graded."""
    out = tmp_path_factory.mktemp("grpo")
    settings = GRPO | {"steps": 4, "report_to": ["tensorboard"]}
    run, reward = recording(described(judge, pairs, settings))
    return Done(out, train(run, out), reward)


def test_sft_lowers_the_loss_and_teaches_the_format(fluent: Path, pairs: Path) -> None:
    losses = logged(json.loads((fluent / "log.json").read_text()), "loss")
    assert len(losses) == 40
    assert sum(losses[-5:]) < 0.2 * sum(losses[:5])
    judge = JudgeRewardModel.load(fluent / "judge")
    task = JudgmentTask.from_pair("2+1?", chosen="3", rejected="4")
    assert all(judgment.ok for judgment in judge.judge([task])[0].judgments)


def test_sft_masks_the_prompt(base: Path, pairs: Path) -> None:
    run = described(base, pairs, SFT)
    assert isinstance(run.train, Sft)
    model, tokenizer = opened(base)
    trainer = run.train.build(run, model, tokenizer, base)
    batch = next(iter(trainer.get_train_dataloader()))
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        answer = tokenizer.decode(labels[labels != -100])
        prompt = tokenizer.decode(ids[(labels == -100)])
        assert run.judge.format.parse(answer.removesuffix("<|im_end|>")) in {(1.0, 0.0), (0.0, 1.0)}
        assert answer.endswith("<|im_end|>")
        assert "<|im_start|>assistant\n" in prompt and "<answer>[[A]]</answer> if" in prompt


def test_grpo_moves_the_weights(whole: Done, judge: Path) -> None:
    assert "model.layers.0.mlp.up_proj.weight" in moved(
        weights(judge), weights(whole.out / "judge")
    )


def test_every_grpo_batch_holds_whole_tasks_in_both_orders(
    whole: Done,
) -> None:
    seen = whole.reward._seen
    assert all(orders == {(0, 1): 4, (1, 0): 4} for _, orders in seen)
    tasks = [task for task, _ in seen]
    assert len(tasks) == len(set(tasks)) == 8  # four steps of two are one epoch
    assert tasks != sorted(tasks)


def test_the_log_has_each_reward_and_what_the_judge_did(
    whole: Done,
) -> None:
    history = whole.history
    assert json.loads((whole.out / "log.json").read_text()) == history
    correct = logged(history, "rewards/verdict_correctness/mean")
    assert len(correct) == 4 and correct == pytest.approx(logged(history, "judge/accuracy"))
    assert all(0 < value <= 1 for value in logged(history, "judge/status/ok"))
    assert logged(history, "judge/verdict_flip_rate")
    assert list(whole.out.rglob("events.out.tfevents*"))


def test_a_trained_judge_opens_with_j1sdk_and_with_transformers(
    whole: Done,
) -> None:
    assert len(weights(whole.out / "judge")) > 5
    assert AutoTokenizer.from_pretrained(whole.out / "judge").chat_template
    judge = JudgeRewardModel.load(whole.out / "judge")
    task = JudgmentTask.from_pair("2+1?", chosen="3", rejected="4")
    assert len(judge.judge([task])[0].judgments) == 2
    made = read_run(whole.out / "judge" / "j1.toml")
    assert isinstance(made.train, Grpo) and made.train.steps == 4 and "trl" in made.made_with


def test_a_saved_judge_keeps_the_options_of_its_engine(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    engine = {
        "name": "transformers", "model": str(base), "context": 512,
        "template_options": {"enable_thinking": False},
    }  # fmt: skip
    train(described(base, pairs, SFT | {"steps": 1}, engine=engine), tmp_path)
    saved = JudgeRewardModel.load(tmp_path / "judge").engine
    assert isinstance(saved, Transformers) and saved.model == str(tmp_path / "judge")
    assert (saved.context, saved.template_options) == (512, {"enable_thinking": False})


def test_sft_asks_with_the_options_of_the_template(base: Path, pairs: Path) -> None:
    model, tokenizer = opened(base)
    tokenizer.chat_template += "{% if mood %}({{ mood }}){% endif %}"
    options = {"name": "transformers", "model": str(base), "template_options": {"mood": "stern"}}
    run = described(base, pairs, SFT, engine=options)
    assert isinstance(run.train, Sft)
    row = run.train.build(run, model, tokenizer, base).train_dataset[0]
    assert "(stern)" in tokenizer.decode(row["input_ids"])


def test_weights_of_rewards_reach_trl(judge: Path, pairs: Path, tmp_path: Path) -> None:
    weighted = {"verdict-correctness": 3.0, "format-adherence": 0.5}
    rewards = [{"name": name, "weight": weight} for name, weight in weighted.items()]
    history = train(described(judge, pairs, GRPO | {"steps": 1, "rewards": rewards}), tmp_path)
    names = [name.replace("-", "_") for name in weighted]
    terms = [logged(history, f"rewards/{name}/mean")[0] for name in names]
    assert terms[1] > 0
    assert logged(history, "reward")[0] == pytest.approx(3.0 * terms[0] + 0.5 * terms[1])


def test_pointwise_grpo_orders_scores(base: Path, pairs: Path, tmp_path: Path) -> None:
    settings = GRPO | {"rewards": ["score-ordering"], "micro_batch": 8}
    history = train(described(base, pairs, settings, format="pointwise"), tmp_path)
    assert len(logged(history, "rewards/score_ordering/mean")) == 2
    assert isinstance(JudgeRewardModel.load(tmp_path / "judge").format, Pointwise)


@pytest.mark.parametrize("settings", [SFT, GRPO], ids=["sft", "grpo"])
def test_lora_is_merged_and_leaves_the_rest_alone(
    settings: dict[str, Any], judge: Path, pairs: Path, tmp_path: Path
) -> None:
    lora = {"rank": 2, "alpha": 64, "dropout": 0.0, "target_modules": ["up_proj"]}
    train(described(judge, pairs, settings | {"steps": 2, "lora": lora}), tmp_path)
    changed = moved(weights(judge), weights(tmp_path / "judge"))
    assert changed == {"model.layers.0.mlp.up_proj.weight"}


def test_an_interrupted_run_goes_on_where_it_stopped(
    whole: Done, judge: Path, pairs: Path, tmp_path: Path
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def stop(step: int, steps: int) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    settings = GRPO | {"steps": 4, "report_to": ["tensorboard"]}
    run, before = recording(described(judge, pairs, settings))
    with pytest.raises(Interrupted, match=r"step 2 of 4.*--resume"):
        train(run, tmp_path, progress=stop)
    checkpoints = (tmp_path / "checkpoints").glob("checkpoint-*")
    assert [path.name for path in checkpoints] == ["checkpoint-2"]
    assert not (tmp_path / "judge").exists()
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    run, after = recording(described(judge, pairs, settings))
    steps: list[int] = []
    history = train(run, tmp_path, resume=True, progress=lambda step, total: steps.append(step))
    assert steps == [3, 4]
    assert logged(history, "step")[-1] == 4
    assert before._seen + after._seen == whole.reward._seen
    assert not moved(weights(whole.out / "judge"), weights(tmp_path / "judge"))


def test_a_used_folder_is_refused_without_resume(base: Path, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"is not empty: give --resume"):
        train(described(base, pairs, SFT), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
