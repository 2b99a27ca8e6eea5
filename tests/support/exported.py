"""One recorded training of a judge, as TRL and OpenRLHF grade it: others must grade it so too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from j1sdk_openrlhf.executor import PairedExecutor
from rollout_engine import Engine, params
from tiny_training import described, write_pairs

from j1sdk import PairwiseVerdict
from j1sdk.engines.transformers import Transformers, load_model
from j1sdk.run import Run, dump_run
from j1sdk.training.exports import LaidOut
from j1sdk.training.multitask import Assignment, parts_of
from j1sdk.training.trl import Grpo

ROLLOUTS, ROOM = 4, 120
"""Of each prompt; the tokens that one may have."""
REWARDS = [
    {"name": "verdict-correctness", "right": 1.0, "wrong": -0.5, "tied": 0.25},
    {"name": "format-adherence", "weight": 0.5},
]
ALONE, TOGETHER = [*REWARDS], [{"name": "verdict-consistency"}, REWARDS[1]]
"""Rewards of a rollout by itself, and beside those of the other order."""
WRITTEN = PairwiseVerdict()


def run_file(model: Path, folder: Path, rewards: Sequence[Any], tasks: int = 125) -> Path:
    """A run whose training visits each of so many tasks once."""
    train = {
        "name": "grpo", "rewards": list(rewards), "rollouts": ROLLOUTS, "tasks_per_step": 5,
        "steps": tasks // 5, "report_to": [],
    }  # fmt: skip
    data = write_pairs(folder / "pairs.jsonl", tasks)
    run = described(model, data, train, sampling={"max_new_tokens": ROOM})
    (path := folder / "judge.toml").write_text(dump_run(run))
    return path


def recorded(count: int, seed: int = 0) -> list[str]:
    """What a judge wrote: verdicts of both kinds, ties, broken forms, and texts that are cut."""
    random = Random(seed)
    kinds = [
        WRITTEN.write((1.0, 0.0), "A is right"),
        WRITTEN.write((0.0, 1.0), "B is right"),
        "<think>none</think> <answer>[[C]]</answer>",
        WRITTEN.write((1.0, 0.0)) + " or " + WRITTEN.write((0.0, 1.0)),
        "no tags, [[A]]",
        "<think>" + "on and on " * 30,
    ]
    return [random.choices(kinds, (6, 6, 1, 1, 1, 1))[0] for _ in range(count)]


def ids_of(tokenizer: Any, text: str) -> list[int]:
    """As they are sampled: up to the turn's end, or to the last that there is room for."""
    return [*tokenizer(text)["input_ids"], tokenizer.eos_token_id][:ROOM]


def by_trl(run: Run, out: Path, ids: Sequence[list[int]]) -> list[float]:
    """The rewards of TRL's own trainer, for `ROLLOUTS` of each row of its own data set in turn."""
    assert isinstance(run.train, Grpo) and isinstance(run.judge.engine, Transformers)
    model, tokenizer = load_model(run.judge.engine)
    trainer = run.train.build(run, model, tokenizer, out)
    rows = [row for row in trainer.train_dataset for _ in range(ROLLOUTS)]
    texts = [[{"role": "assistant", "content": tokenizer.decode(one)}] for one in ids]
    made = trainer._calculate_rewards(rows, [row["prompt"] for row in rows], texts, list(ids))
    return [float(one) for one in (made * trainer.reward_weights).nansum(1)]


def by_openrlhf(run: Run, made: LaidOut, texts: Sequence[str], tokenizer: Any) -> list[float]:
    """The rewards of our executor, called as OpenRLHF does; its slots alternate between orders."""
    assert isinstance(run.train, Grpo)
    executor = PairedExecutor(parts_of(run.judge, (), run.train.rewards))
    per_task = made.presentations * ROLLOUTS
    rewards: list[float] = []
    for begin in range(0, len(texts), per_task):
        label = made.rows[begin // ROLLOUTS].label
        first, second = texts[begin : begin + ROLLOUTS], texts[begin + ROLLOUTS : begin + per_task]
        slots = [text for pair in zip(first, second, strict=True) for text in pair]
        graded = asyncio.run(_group(executor, label, slots, tokenizer))
        rewards += [*graded[::2], *graded[1::2]]
    return rewards


async def _group(
    executor: PairedExecutor, label: Any, texts: Sequence[str], tokenizer: Any
) -> list[float]:
    engine = Engine(tokenizer, lambda asked, call: texts[call])
    told, shared = Assignment(task=label.task).model_dump_json(), params()
    waiting = [
        executor.execute("P", told, shared, 100_000, tokenizer, engine) for _ in range(len(texts))
    ]
    return [float(one["reward"]) for one in await asyncio.gather(*waiting)]
