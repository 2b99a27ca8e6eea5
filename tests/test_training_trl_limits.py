"""What TRL cannot be asked for, and how batches fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import described, train, untrained, write_pairs
from trl_runs import GRPO, SFT, Twice, opened, recording

from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.training.trl import Grpo
from j1sdk.types import Judgment, JudgmentTask

NOWHERE = Path("/nowhere/at/all")  # so that whatever is refused is refused before it is loaded


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs.jsonl", 8)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def judge(base: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that answers in the format, and knows nothing."""
    out = tmp_path_factory.mktemp("sft")
    train(described(base, pairs, SFT | {"steps": 40}), out)
    return out / "judge"


@pytest.mark.parametrize(
    ("settings", "judging", "match"),
    [
        ({"rewards": ["score-ordering"]}, {}, "score-ordering needs a pointwise format"),
        *(
            ({"rewards": [name]}, {"format": "pointwise"}, f"{name} needs a pairwise format")
            for name in ("verdict-correctness", "verdict-consistency")
        ),
        ({"rewards": ["verdict-consistency"]}, {"orders": "first"}, "needs both orders"),
        ({}, {"engine": "scripted"}, "trains a model on this machine"),
        ({"name": "sft"}, {"engine": "scripted"}, "trains a model on this machine"),
    ],
)
def test_what_cannot_work_is_refused_before_loading(
    settings: dict[str, Any], judging: dict[str, Any], match: str, pairs: Path, tmp_path: Path
) -> None:
    run = described(NOWHERE, pairs, {"name": "grpo"} | settings, **judging)
    with pytest.raises(ConfigError, match=match):
        train(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_a_format_of_several_turns_is_refused(name: str, pairs: Path, tmp_path: Path) -> None:
    run = described(NOWHERE, pairs, {"name": name})
    judge = run.judge.model_copy(update={"format": Twice()})
    with pytest.raises(ConfigError, match="trains single-turn formats; twice is not one"):
        train(run.model_copy(update={"judge": judge}), tmp_path / "out")


@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_a_run_without_data_is_refused(name: str, pairs: Path, tmp_path: Path) -> None:
    run = described(NOWHERE, pairs, {"name": name}).model_copy(update={"data": None})
    with pytest.raises(ConfigError, match=r"the run has no \[data\]"):
        train(run, tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"steps": None, "tasks_per_step": 9}, "8 tasks do not fill one step of 9"),
        ({"micro_batch": 3}, "micro_batch 3 does not divide a step's 16 completions"),
        ({"options": {"per_device_train_batch_size": 3}}, "TRL does not take these settings"),
        ({"options": {"per_device_train_batch_size": 4}}, "must stay together"),
        ({"options": {"learning_rat": 1.0}}, "learning_rat"),
        ({"options": {"shuffle_dataset": True}}, "shuffle_dataset must be off"),
        ({"options": {"steps_per_generation": 1}, "micro_batch": 4}, "must stay together"),
    ],
)
def test_a_batch_that_would_part_siblings_is_refused(
    settings: dict[str, Any], match: str, base: Path, pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=match):
        train(described(base, pairs, GRPO | settings), tmp_path)


def test_a_micro_batch_may_part_them_as_the_step_is_generated_whole(
    judge: Path, pairs: Path, tmp_path: Path
) -> None:
    run, reward = recording(described(judge, pairs, GRPO | {"steps": 1, "micro_batch": 4}))
    train(run, tmp_path)
    assert [orders for _, orders in reward._seen] == [{(0, 1): 4, (1, 0): 4}] * 2


@pytest.fixture
def some_long(pairs: Path, tmp_path: Path) -> Path:
    """The pairs, and one whose response does not fit the context."""
    path = tmp_path / "long.jsonl"
    long = {"prompt": "9+1?", "chosen": "10", "rejected": "1" * 1100, "id": "long"}
    path.write_text(json.dumps(long) + "\n" + pairs.read_text())
    return path


@pytest.mark.parametrize(
    ("settings", "counts"), [(GRPO, "1 of 9 examples"), (SFT, "2 of 18 examples")]
)
def test_what_does_not_fit_is_refused(
    settings: dict[str, Any], counts: str, base: Path, some_long: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"{counts} do not fit: the longest has 1\d\d\d tokens"):
        train(described(base, some_long, settings), tmp_path / "out")


def test_what_does_not_fit_can_be_left_out(
    judge: Path, some_long: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = GRPO | {"steps": 4, "drop_long": True}
    run, reward = recording(described(judge, some_long, settings))
    train(run, tmp_path / "out")
    assert sorted(task for task, _ in reward._seen) == [f"sum-{n}" for n in range(8)]
    assert "left out 1 of 9 examples as too long" in caplog.text


def test_a_prompt_as_long_as_the_context_leaves_no_room_to_answer(
    tiny_model: Path, pairs: Path, tmp_path: Path
) -> None:
    """Its tokenizer spells the instructions out."""
    engine = {"name": "transformers", "model": str(tiny_model), "context": 512}
    with pytest.raises(ConfigError, match=r"8 of 8 examples do not fit.*room for 498"):
        train(described(tiny_model, pairs, GRPO, engine=engine), tmp_path)


class Numbered(VerdictCorrectness):
    """The first rollout of a task is worth 0, the next 1, and so on."""

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        return [float(place) for place in range(len(judgments))]


@pytest.mark.parametrize("estimator", ["group_norm", "dr_grpo", "reinforce_baseline"])
def test_an_estimator_is_what_trl_makes_of_rewards(
    estimator: str, base: Path, pairs: Path, tmp_path: Path
) -> None:
    run = described(base, pairs, GRPO | {"estimator": estimator})
    assert isinstance(run.train, Grpo)
    model, tokenizer = opened(base)
    grpo = run.train.model_copy(update={"rewards": (Numbered(),)})
    trainer = grpo.build(run, model, tokenizer, tmp_path)
    rows = [trainer.train_dataset[place] for place in range(4) for _ in range(4)]
    trainer.model.train()
    found = trainer._generate_and_score_completions(rows)["advantages"]
    rewards = torch.arange(8.0).repeat(2).view(4, 4)  # two tasks, each in two orders of four
    above = rewards - rewards.mean(dim=1, keepdim=True)
    scale = {"group_norm": rewards.std(dim=1, keepdim=True), "dr_grpo": torch.tensor(1.0),
             "reinforce_baseline": rewards.std()}[estimator]  # fmt: skip
    assert torch.allclose(found, (above / scale).flatten(), atol=1e-3)
    assert trainer.loss_type == ("dr_grpo" if estimator == "dr_grpo" else "dapo")


def test_an_estimator_that_trl_has_not_is_refused(base: Path, pairs: Path) -> None:
    with pytest.raises(ConfigError, match=r"estimator.*'group_norm', 'dr_grpo'"):
        described(base, pairs, GRPO | {"estimator": "rloo"})
