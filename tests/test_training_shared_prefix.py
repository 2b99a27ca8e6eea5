"""A prompt computed once for all of its rollouts gives the numbers that TRL has, for less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from j1sdk_quickstart.tasks import Arithmetic
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOTrainer

from j1sdk import JudgeRewardModel, PairwiseVerdict, Run, Sampling, Transformers
from j1sdk.training.shared_prefix import by_prompt, pack, shareable
from j1sdk.training.trl import Grpo, Lora

PAD = 0


def trainer_of(model: Path, out: Path, **options: Any) -> Any:
    engine = Transformers(model=str(model), dtype="float32", device="cpu")
    judge = JudgeRewardModel(
        format=PairwiseVerdict(), engine=engine, sampling=Sampling(max_new_tokens=8)
    )
    grpo = Grpo(steps=1, tasks_per_step=2, rollouts=3, report_to=(), **options)
    run = Run(judge=judge, data=Arithmetic(limit=4), train=grpo, seed=0)
    opened = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    return grpo.build(run, opened, AutoTokenizer.from_pretrained(model), out)


@pytest.fixture(params=[None, Lora(rank=4, dropout=0.0)], ids=["all weights", "an adapter"])
def trainer(request: Any, tiny_model: Path, tmp_path: Path) -> Iterator[Any]:
    made = trainer_of(tiny_model, tmp_path, lora=request.param, learning_rate=1e-3)
    if request.param:  # else it begins with nothing added, and its gradients are half zero
        for name, weights in made.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.1)
    yield made


def rollouts(seed: int = 0, most: int = 9) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Three prompts padded on the left, with 3, 1 and 2 rollouts padded on the right, shuffled."""
    draw = torch.Generator().manual_seed(seed)
    rows, masks = [], []
    for size, count in ((7, 3), (4, 1), (6, 2)):
        prompt = torch.randint(5, 90, (size,), generator=draw)
        for _ in range(count):
            length = int(torch.randint(1, most + 1, (), generator=draw))
            written = torch.randint(5, 90, (length,), generator=draw)
            pads = (7 - size, most - length)
            rows.append(torch.cat([torch.zeros(pads[0]), prompt, written, torch.zeros(pads[1])]))
            masks.append(
                torch.cat([torch.zeros(pads[0]), torch.ones(size + length), torch.zeros(pads[1])])
            )
    order = torch.randperm(len(rows), generator=draw)
    return torch.stack(rows)[order].long(), torch.stack(masks)[order].long(), most


def test_log_probabilities_entropies_and_gradients_are_those_of_trl(trainer: Any) -> None:
    ids, mask, written = rollouts()
    weights = torch.rand(len(ids), written) * mask[:, -written:]
    found = []
    for kind in (type(trainer), GRPOTrainer):
        trainer.model.zero_grad()
        logps, entropies, _ = kind._get_per_token_logps_and_entropies(
            trainer, trainer.model, ids, mask, written, compute_entropy=True
        )
        (logps * weights).sum().backward()
        gradients = [one.grad.clone() for one in trainer.model.parameters() if one.grad is not None]
        seen = mask[:, -written:].bool()
        found.append([logps[seen], entropies[seen], *gradients])
    assert type(trainer) is not GRPOTrainer and len(found[0]) == len(found[1]) > 10
    assert all(float(one.abs().max()) > 0 for one in found[1][2:6])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_it_is_really_shared(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three prompts of seven tokens at most, and blocks for the three rollouts of one of them."""
    ids, mask, written = rollouts()
    widths = []
    scored = type(trainer)._scored

    def noted(self: Any, model: Any, packed: Any) -> Any:
        widths.append(tuple(packed.ids.shape))
        return scored(self, model, packed)

    monkeypatch.setattr(type(trainer), "_scored", noted)
    trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, written, batch_size=6)
    assert widths == [(3, 6 + 3 * written)]


def test_nothing_is_seen_of_another_rollout() -> None:
    ids, mask, written = rollouts()
    packed = pack(ids, mask, written)
    for row in range(len(packed.ids)):
        for place in range(packed.length, packed.ids.size(1)):
            block = (place - packed.length) // written
            begin = packed.length + block * written
            seen = packed.attention[row, 0, place].nonzero().flatten().tolist()
            assert all(one < packed.length or begin <= one <= place for one in seen)


def test_greedy_rollouts_are_those_of_trl(trainer: Any) -> None:
    trainer.generation_config.do_sample = False
    prompts = [[40, 41, 42, 43], [50, 51], [40, 41, 42, 43], [50, 51], [60, 61, 62]]
    ours, theirs = (
        kind._generate_single_turn(trainer, prompts, None, {}, 1)[0]
        for kind in (type(trainer), GRPOTrainer)
    )
    assert ours == theirs and all(ours)
    assert "generate" not in vars(trainer.accelerator.unwrap_model(trainer.model))


def test_micro_batches_hold_whole_prompts(tiny_model: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_model, tmp_path, micro_batch=3)
    trainer.train()
    for part in trainer._buffered_inputs:
        assert len(part["prompt_ids"].unique(dim=0)) == 1 and len(part["prompt_ids"]) == 3


def test_a_row_keeps_all_that_belongs_to_it() -> None:
    parts = [
        {
            "prompt_ids": torch.tensor(half)[:, None],
            "advantages": torch.tensor(half) * 10.0,
            "names": half,
            "all": None,
            "count": torch.tensor(6),
        }
        for half in ([3, 1, 2], [1, 3, 2])
    ]
    made = by_prompt(parts)
    assert [part["names"] for part in made] == [[1, 1, 2], [2, 3, 3]]
    for part in made:
        assert part["advantages"].tolist() == [10.0 * one for one in part["names"]]
        assert part["all"] is None and int(part["count"]) == 6


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"layer_types": ["full_attention", "sliding_attention"]}, False),
        ({"layer_types": None, "sliding_window": 4096}, False),
        ({"layer_types": None, "sliding_window": None}, True),
        ({"_attn_implementation": "flash_attention_2"}, False),
        ({"alibi": True}, False),
    ],
)
def test_a_model_that_makes_its_own_masks_goes_trls_way(
    tiny_model: Path, changes: dict[str, Any], expected: bool
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    for name, value in changes.items():
        object.__setattr__(model.config, name, value)
    assert shareable(model) is expected


def test_so_does_one_with_a_state_that_runs_through_all_tokens() -> None:
    """Half attention and half state: packed rows would go through it, and be wrong."""
    from transformers import JambaConfig, JambaForCausalLM

    config = JambaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, num_experts=1, mamba_d_state=4,
        attn_layer_period=2, attn_layer_offset=1, use_mamba_kernels=False,
    )  # fmt: skip
    assert shareable(JambaForCausalLM(config)) is False
