"""A judge as the reward manager of the real verl, by the flags that `j1 connect` prints.

verl's own configuration takes the flags, its own loader the class, and its own reward workers, as
Ray actors, call it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from click.testing import CliRunner
from connected import ConnectedContract
from exported import ALONE, ROLLOUTS, TOGETHER, by_trl, ids_of, recorded, run_file
from hydra import compose, initialize_config_module
from pages import blocks, section
from transformers import AutoTokenizer
from verl import DataProto
from verl.experimental.reward_loop import RewardLoopManager
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage
from verl.trainer.ppo.reward import load_reward_manager
from verl.utils.dataset.rl_dataset import RLHFDataset

from j1sdk import ConfigError, PairwiseScores, Pointwise
from j1sdk.adapters import Adapter
from j1sdk.adapters.verl import Verl
from j1sdk.cli import j1
from j1sdk.errors import EngineError, UnscoredError
from j1sdk.run import read_run
from j1sdk.server import Serve, served
from j1sdk.testing import Row, judge_by_rule, worth

Rewards = list[float | None]


def flags(url: str, folder: Path, *settings: str) -> list[str]:
    """What `j1 connect` prints, line by line."""
    words = ["connect", "verl", "--url", url, "--to", str(folder)]
    for setting in settings:
        words += ["--set", setting]
    result = CliRunner().invoke(j1, words)
    assert result.exit_code == 0, result.output
    return result.stdout.split()


def configured(overrides: Sequence[str], model: Path, n: int) -> Any:
    """Verl's own configuration with these flags."""
    with initialize_config_module("verl.trainer.config", version_base=None):
        own = [f"actor_rollout_ref.model.path={model}", f"actor_rollout_ref.rollout.n={n}"]
        return compose("ppo_trainer", overrides=[*own, *overrides])


def batch(model: Path, rows: Sequence[Row]) -> Any:
    """The rollouts as verl has them: padded token ids, the prompt's messages, groups by uid."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    asked = [[{"role": "user", "content": row.prompt}] for row in rows]
    prompts = [
        tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        for turns in asked
    ]
    answers = [tokenizer(f"{row.response}{tokenizer.eos_token}")["input_ids"] for row in rows]
    left, right = (max(map(len, ids)) for ids in (prompts, answers))
    pad = tokenizer.pad_token_id
    prompt_ids = torch.tensor([[pad] * (left - len(ids)) + ids for ids in prompts])
    answer_ids = torch.tensor([ids + [pad] * (right - len(ids)) for ids in answers])
    masks = [
        [0] * (left - len(p)) + [1] * (len(p) + len(a)) + [0] * (right - len(a))
        for p, a in zip(prompts, answers, strict=True)
    ]
    columns: dict[str, list[Any]] = {
        "raw_prompt": asked,
        "uid": [row.group for row in rows],
        "data_source": ["test"] * len(rows),
        "reward_model": [{"ground_truth": row.reference} for row in rows],
    }
    return DataProto.from_dict(
        tensors={
            "prompts": prompt_ids,
            "responses": answer_ids,
            "attention_mask": torch.tensor(masks),
            "input_ids": torch.cat([prompt_ids, answer_ids], 1),
        },
        non_tensors={name: objects(values) for name, values in columns.items()},
    )


def objects(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """An array of objects, where numpy would look into lists."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def rewarded(config: Any, model: Path, rows: Sequence[Row]) -> list[dict[str, Any] | Exception]:
    """What a reward worker's manager says of each rollout; all are under way at once."""

    async def all_at_once() -> list[Any]:
        manager = load_reward_manager(config, AutoTokenizer.from_pretrained(model))
        data = batch(model, rows)
        waiting = [manager.run_single(data[i : i + 1]) for i in range(len(rows))]
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(all_at_once())


def scores(made: Sequence[Any]) -> Rewards:
    """The rewards; None where verl's trainer leaves a rollout out, as an exception has it do."""
    for answer in made:
        if isinstance(answer, Exception) and not isinstance(answer, UnscoredError):
            raise answer
    return [None if isinstance(one, Exception) else one["reward_score"] for one in made]


class TestVerl(ConnectedContract):
    component = Verl()

    @pytest.fixture(autouse=True)
    def _own(self, tiny_model: Path) -> None:
        self.model = tiny_model

    def connected(self, adapter: Adapter, file: Path, rows: Sequence[Row]) -> Rewards:
        overrides = adapter.instructions(file).paste.split()
        n = max(sum(row.group == other.group for other in rows) for row in rows)
        return scores(rewarded(configured(overrides, self.model, n), self.model, rows))


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("workers", [1, 2])
def test_its_reward_workers_rank_a_group_whole(
    workers: int, tmp_path: Path, tiny_model: Path
) -> None:
    """Split over two workers, the groups meet behind the server; one prompt is two groups."""
    rows = [*worth(9, 7), *worth(3, 1, group="second")]
    options = Serve(port=0, cohort=2 if workers > 1 else None)
    with served(judge_by_rule(PairwiseScores()), options) as server:
        printed = [*flags(server.url, tmp_path), f"reward.num_workers={workers}"]
        loop = RewardLoopManager(configured(printed, tiny_model, 2))
        made = loop.compute_rm_score(batch(tiny_model, rows))
        for worker in loop.reward_loop_workers:
            ray.kill(worker)
    assert made.batch["rm_scores"].sum(1).tolist() == [1.0, 0.0, 1.0, 0.0]
    assert made.non_tensor_batch["j1/unscored"].tolist() == [0.0] * 4


def test_a_group_that_would_be_split_is_refused_before_it_is_generated(
    tmp_path: Path, tiny_model: Path
) -> None:
    with served(judge_by_rule(PairwiseScores()), Serve(port=0)) as server:
        config = configured([*flags(server.url, tmp_path), "reward.num_workers=8"], tiny_model, 2)
        with pytest.raises(ConfigError, match=r"reward\.num_workers=1"):
            load_reward_manager(config, AutoTokenizer.from_pretrained(tiny_model))


def test_a_failed_rollout_has_no_advantage_by_the_mean_of_its_group(
    tmp_path: Path, tiny_model: Path
) -> None:
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        printed = flags(server.url, tmp_path, "adapter.unscored=group")
        made = rewarded(configured(printed, tiny_model, 4), tiny_model, worth(3, 6, "?", 9))
    answers = [one for one in made if isinstance(one, dict)]
    rewards = torch.zeros(4, 1)
    rewards[:, 0] = torch.tensor([one["reward_score"] for one in answers])
    assert [one["reward_extra_info"]["j1/unscored"] for one in answers] == [0.0, 0.0, 1.0, 0.0]
    advantages, _ = compute_grpo_outcome_advantage(rewards, torch.ones(4, 1), objects(["a"] * 4))
    assert advantages[2].item() == pytest.approx(0, abs=1e-6)
    assert advantages[0] < 0 < advantages[3]


@pytest.mark.parametrize("failed", [5, 100])
def test_what_fails_is_left_out_and_the_rest_is_scored(
    failed: int, tmp_path: Path, tiny_model: Path
) -> None:
    values = ["?" if place * 100 < failed * 20 else 8 for place in range(20)]
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        config = configured(flags(server.url, tmp_path), tiny_model, 4)
        made = scores(rewarded(config, tiny_model, worth(*values)))
    assert made == [None if value == "?" else 0.8 for value in values]


def test_a_dead_server_is_an_error_before_training(tmp_path: Path, tiny_model: Path) -> None:
    config = configured(flags("http://127.0.0.1:1", tmp_path, "adapter.deadline=1"), tiny_model, 2)
    made = rewarded(config, tiny_model, worth(3, 6))
    assert all(isinstance(one, EngineError | UnscoredError) for one in made)


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    (shown,) = blocks(section("frameworks", "verl"), "console")
    command, _, printed = shown.partition("\n")
    assert command.startswith("$ j1 connect verl ")
    made = "\n".join(flags("http://localhost:8000", tmp_path))
    assert made.replace(str(tmp_path), "conf") == printed.strip()


@pytest.mark.parametrize("rewards", [ALONE, TOGETHER])
def test_a_judge_is_trained_by_the_rewards_that_trl_has(
    rewards: Any, tmp_path: Path, tiny_model: Path
) -> None:
    """Its own configuration, data set and loader; a thousand rollouts, all under way at once."""
    file = run_file(tiny_model, tmp_path, rewards)
    words = ["export", str(file), "--for", "verl", "--to", str(tmp_path / "verl")]
    result = CliRunner().invoke(j1, words)
    assert result.exit_code == 0, result.output
    config = configured(result.stdout.split(), tiny_model, ROLLOUTS)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    data = RLHFDataset(config.data.train_files, tokenizer, config.data)
    rows = [data[place] for place in range(len(data)) for _ in range(ROLLOUTS)]
    ids = [ids_of(tokenizer, text) for text in recorded(len(rows))]
    made = trained(config, tokenizer, rows, ids)
    run = read_run(file)
    assert [one["reward_score"] for one in made] == pytest.approx(by_trl(run, tmp_path, ids))
    logged = {name for one in made for name in one["reward_extra_info"]}
    assert logged == {"acc", "j1/unread", *(f"j1/{reward['name']}" for reward in rewards)}


def trained(
    config: Any, tokenizer: Any, rows: Sequence[Any], ids: Sequence[list[int]]
) -> list[dict[str, Any]]:
    """What the manager of a training says of each rollout."""
    right, pad = max(map(len, ids)), tokenizer.pad_token_id
    columns = ("raw_prompt", "reward_model", "data_source")
    data = DataProto.from_dict(
        tensors={
            "prompts": torch.full((len(ids), 1), pad),
            "responses": torch.tensor([one + [pad] * (right - len(one)) for one in ids]),
            "attention_mask": torch.tensor(
                [[1] * (1 + len(one)) + [0] * (right - len(one)) for one in ids]
            ),
        },
        non_tensors={name: objects([row[name] for row in rows]) for name in columns},
    )

    async def all_at_once() -> list[dict[str, Any]]:
        manager = load_reward_manager(config, tokenizer)
        waiting = [manager.run_single(data[place : place + 1]) for place in range(len(rows))]
        return list(await asyncio.gather(*waiting))

    return asyncio.run(all_at_once())


def test_a_training_that_would_part_a_task_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    file = run_file(tiny_model, tmp_path, TOGETHER, tasks=5)
    words = ["export", str(file), "--for", "verl", "--to", str(tmp_path / "verl")]
    printed = CliRunner().invoke(j1, words).stdout.split()
    config = configured([*printed, "reward.num_workers=8"], tiny_model, ROLLOUTS)
    with pytest.raises(ConfigError, match="num_workers=1"):
        load_reward_manager(config, AutoTokenizer.from_pretrained(tiny_model))


def test_the_page_on_training_shows_what_is_printed(tmp_path: Path, tiny_model: Path) -> None:
    (shown, _) = blocks(section("training", "In another framework"), "console")
    file = run_file(tiny_model, tmp_path, ALONE, tasks=5)
    command, _, printed = shown.partition("\n")
    words = command.replace("judge.toml", str(file)).replace("conf", str(tmp_path / "conf")).split()
    made = CliRunner().invoke(j1, words[2:]).stdout
    made = made.replace(f"path={tiny_model}", "path=model").replace(f"{tmp_path}/", "")
    assert made == printed
