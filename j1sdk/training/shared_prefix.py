"""GRPO that computes a prompt once for all of its rollouts, to sample them and to learn from them.

A judge's prompt is often longer than what it writes; TRL repeats it for every rollout. Here the
rollouts of a prompt stand behind it in one row, each with the prompt's last token before it, and a
mask keeps each from seeing the others: the numbers stay the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any, NamedTuple

import torch
from transformers import __version__
from trl import GRPOTrainer
from trl.trainer.utils import split_tensor_dict

Tensor = torch.Tensor
Batch = dict[str, Any]
CACHE = "cache" if tuple(map(int, __version__.split(".")[:2])) >= (5, 24) else "past_key_values"
"""What transformers calls the option of `generate`."""


class Packed(NamedTuple):
    """Rollouts behind their prompts: a row for each prompt, with a block for each rollout.

    A block is the prompt's last token and the rollout but for its own last token: what each of the
    rollout's tokens follows. Prompts are padded on the left, rollouts on the right.
    """

    ids: Tensor
    """[prompts, width]"""
    positions: Tensor
    """[prompts, width]"""
    attention: Tensor
    """[prompts, 1, width, width]: whether a token, by row, sees another."""
    labels: Tensor
    """[prompts, width]: the token that follows; -100 within prompts and in padding."""
    length: int
    """Tokens before the first block."""
    places: Tensor
    """[rollouts]: the block of each, counted through all rows."""


def pack(ids: Tensor, mask: Tensor, written: int) -> Packed:
    """Pack rows of a prompt and the `written` tokens of a rollout."""
    length = ids.size(1) - written
    both = torch.stack([ids, mask], 1)
    prompts, prompt_of = torch.unique(both[:, :, :length], dim=0, return_inverse=True)
    rank = (prompt_of[:, None] == prompt_of[None, :]).tril(-1).sum(1)  # among its prompt's
    blocks = int(rank.max()) + 1
    places, rows = prompt_of * blocks + rank, len(prompts)
    rollouts = both.new_zeros((rows * blocks, 2, written)).index_copy(0, places, both[..., length:])
    last = prompts[:, :, -1:].repeat_interleave(blocks, 0)
    shown = torch.cat([last, rollouts[..., :-1]], 2).view(rows, blocks, 2, written)
    whole = torch.cat([prompts[..., :-1], shown.transpose(1, 2).flatten(2)], 2)
    labels = rollouts[:, 0].masked_fill(rollouts[:, 1] == 0, -100).view(rows, -1)
    before = (prompts[:, 1].cumsum(1) - 1).clamp(min=0)
    behind = before[:, -1:] + torch.arange(written, device=ids.device).repeat(blocks)
    return Packed(
        ids=whole[:, 0],
        positions=torch.cat([before[:, :-1], behind], 1),
        attention=visible(whole[:, 1].bool(), length - 1, written),
        labels=torch.cat([labels.new_full((rows, length - 1), -100), labels], 1),
        length=length - 1,
        places=places,
    )


def visible(known: Tensor, length: int, written: int) -> Tensor:
    """[rows, 1, width, width]: a token sees itself, and what is before it in prompt and block."""
    places = torch.arange(known.size(1), device=known.device)
    block = (places - length).div(written, rounding_mode="floor").clamp(min=-1)
    related = (block[None, :] == -1) | (block[None, :] == block[:, None])
    seen = (related & (places[None, :] < places[:, None]))[None] & known[:, None, :]
    return (seen | torch.eye(len(places), dtype=torch.bool, device=known.device))[:, None]


def shareable(model: Any) -> bool:
    """Whether a causal model sees what a mask says in every layer, at the positions it is given.

    Others would compute something else from packed rows, and say nothing: those with a window, with
    a state that runs through all tokens, or that find positions for themselves.
    """
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None)
    windowed = layers is None and getattr(config, "sliding_window", None)
    return (
        config._attn_implementation == "sdpa"
        and set(layers or ()) <= {"full_attention"}
        and not (windowed or model._is_stateful or getattr(config, "alibi", False))
        and "position_ids" in signature(model.base_model.forward).parameters
    )


class SharedPrefixTrainer(GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer, which goes its own way with models that are not `shareable`."""

    _buffered_inputs: list[Batch] | None

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **others: Any,
    ) -> Any:
        special = compute_aux_loss or any(one is not None for one in others.values())
        if special or not shareable(self._bare(model)):
            return super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size,
                compute_entropy, compute_aux_loss, **others,
            )  # fmt: skip
        size = batch_size or len(input_ids)
        logps, entropies = [], []
        for start in range(0, len(input_ids), size):
            part = slice(start, start + size)
            packed = pack(input_ids[part], attention_mask[part], logits_to_keep)
            scored = self._scored(model, packed)
            logps.append(blocks_of(scored.log_probs, packed, logits_to_keep))
            if compute_entropy:
                entropies.append(blocks_of(scored.entropy, packed, logits_to_keep))
        return torch.cat(logps), torch.cat(entropies) if entropies else None, None

    def _scored(self, model: Any, packed: Packed) -> Any:
        with self.accelerator.autocast():
            return model(
                input_ids=packed.ids,
                attention_mask=packed.attention,
                position_ids=packed.positions,
                shift_labels=packed.labels,
                fused_lm_head=True,
            )

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """TRL shuffles what one optimizer step learns from; a prompt's rollouts come together."""
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        parts, args = self._buffered_inputs, self.args
        of_one_step = args.steps_per_generation <= args.gradient_accumulation_steps
        if parts is None or parts is before or not of_one_step:
            return inputs
        self._buffered_inputs = by_prompt(parts)
        return self._buffered_inputs[self._step % args.steps_per_generation]

    def _generate_single_turn(self, *given: Any, **options: Any) -> Any:
        model, own = self._bare(self.model), self.generation_config.cache_implementation
        if self.use_vllm or own or not shareable(model):
            return super()._generate_single_turn(*given, **options)
        with shared_generation(model):
            return super()._generate_single_turn(*given, **options)

    def _bare(self, model: Any) -> Any:
        """The transformers model, without what distributes it and what adapts it."""
        unwrapped = self.accelerator.unwrap_model(model)
        return unwrapped.get_base_model() if hasattr(unwrapped, "peft_config") else unwrapped


def blocks_of(values: Tensor, packed: Packed, written: int) -> Tensor:
    """[rollouts, written]: what was computed of each rollout's tokens."""
    return values[:, packed.length :].reshape(-1, written)[packed.places]


def by_prompt(parts: Sequence[Batch]) -> list[Batch]:
    """The parts of a step, with equal prompts side by side."""
    prompts = torch.cat([part["prompt_ids"] for part in parts])
    order = torch.unique(prompts, dim=0, return_inverse=True)[1].argsort(stable=True)
    whole: Batch = {}
    for key, value in parts[0].items():
        if isinstance(value, Tensor) and value.ndim:
            whole[key] = torch.cat([part[key] for part in parts])[order.to(value.device)]
        elif isinstance(value, list):
            listed = [one for part in parts for one in part[key]]
            whole[key] = [listed[place] for place in order.tolist()]
        else:
            whole[key] = value
    return list(split_tensor_dict(whole, len(parts)))


@contextmanager
def shared_generation(model: Any) -> Iterator[None]:
    """Have the model's `generate` compute each prompt of a batch once."""
    generate: Callable[..., Any] = model.generate

    def shared(input_ids: Tensor, attention_mask: Tensor, **options: Any) -> Any:
        both = torch.stack([input_ids, attention_mask], 1)
        prompts, prompt_of = torch.unique(both, dim=0, return_inverse=True)
        ids, mask = prompts[:, 0, :-1], prompts[:, 1, :-1]
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        read = model.base_model(ids, attention_mask=mask, position_ids=positions, use_cache=True)
        (cache := read.past_key_values).batch_select_indices(prompt_of)
        return generate(input_ids, attention_mask=attention_mask, **options, **{CACHE: cache})

    model.generate = shared
    try:
        yield
    finally:
        del model.generate
