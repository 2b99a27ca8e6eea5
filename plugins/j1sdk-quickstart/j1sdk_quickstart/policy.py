"""The tiny policy: it answers sums, often forgets to carry, and learns from a reward."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from j1sdk import Message, Sampling, Transformers
from j1sdk.background import run
from j1sdk.engines.transformers import load_model
from j1sdk.training import Progress
from j1sdk.training.layout import example_tokens
from j1sdk.training.session import fit
from j1sdk.training.trl import sft_trainer
from j1sdk_quickstart.sums import Sum, draw

ANSWER_TOKENS = 6


def sums(count: int, seed: int, held_out: bool) -> list[Sum]:
    """Sums from one seed."""
    generator = random.Random(seed)
    return [draw(generator, held_out) for _ in range(count)]


def warm_up(
    base: Path, out: Path, count: int, forgets: float, seed: int, progress: Progress | None = None
) -> None:
    """SFT on sums in which the carry is forgotten with probability `forgets`; saves to `out`."""
    generator = random.Random(seed)
    model, tokenizer = load_model(Transformers(model=str(base), dtype="float32"))
    rows = []
    for drawn in sums(count, seed, held_out=False):
        answer = drawn.without_carry if generator.random() < forgets else drawn.answer
        asked = (Message(role="user", content=drawn.question),)
        rows.append(example_tokens(tokenizer, asked, answer))
    arguments = {
        "output_dir": str(out / "checkpoints"),
        "learning_rate": 4e-3,
        "warmup_steps": 20,
        "lr_scheduler_type": "cosine",
        "num_train_epochs": 1,
        **quiet(seed),
    }
    trainer = sft_trainer(model, tokenizer, rows, arguments, batch_size=64)
    fit(trainer, out, resume=False, progress=progress)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def improve(
    policy: Path,
    out: Path,
    reward: Callable[..., list[float | None]],
    steps: int,
    seed: int,
    progress: Progress | None = None,
    prompts_per_step: int = 16,
    rollouts: int = 8,
) -> list[dict[str, Any]]:
    """GRPO of the policy with one reward, as any TRL user would write it; returns the log."""
    model, tokenizer = load_model(Transformers(model=str(policy), dtype="float32"))
    asked = [
        [{"role": "user", "content": drawn.question}]
        for drawn in sums(steps * prompts_per_step, seed, held_out=False)
    ]
    config = GRPOConfig(
        output_dir=str(out / "checkpoints"),
        learning_rate=3e-4,
        max_steps=steps,
        lr_scheduler_type="constant",
        num_generations=rollouts,
        per_device_train_batch_size=prompts_per_step * rollouts,
        max_completion_length=ANSWER_TOKENS,
        gradient_checkpointing=False,
        **quiet(seed),
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=config,
        processing_class=tokenizer,
        train_dataset=Dataset.from_dict({"prompt": asked}),
    )
    history = fit(trainer, out, resume=False, progress=progress)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return history


def quiet(seed: int) -> dict[str, Any]:
    """Trainer settings of a small run on a CPU."""
    return {
        "use_cpu": True,
        "bf16": False,
        "dataloader_pin_memory": False,
        "save_strategy": "no",
        "report_to": [],
        "logging_steps": 2,
        "disable_tqdm": True,
        "seed": seed,
    }


def answers(policy: Path, asked: Sequence[Sum], temperature: float, seed: int) -> list[str]:
    """The policy's answer to each sum."""
    engine = Transformers(model=str(policy), dtype="float32", batch_size=256)

    async def ask() -> list[str]:
        completions = [
            engine.complete(
                (Message(role="user", content=drawn.question),),
                Sampling(temperature=temperature, max_new_tokens=ANSWER_TOKENS, seed=seed + place),
            )
            for place, drawn in enumerate(asked)
        ]
        written = await asyncio.gather(*completions)
        await engine.close()
        return [completion.text for completion in written]

    return run(ask())
