"""The ways a judge is OpenRLHF's reward give one batch the same rewards: file, route, executor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from j1sdk_openrlhf.ranked import RankedExecutor
from reward_client import ask
from rollout_engine import Engine, params

from j1sdk import Pointwise
from j1sdk.adapters.texts import Label
from j1sdk.server import Serve, served
from j1sdk.testing import judge_by_rule

PROMPT = "<|im_start|>user\nName a colour.<|im_end|>\n<|im_start|>assistant\n"
LABEL = Label(prompt="Name a colour.").write()
ANSWERS = [
    "It is worth 7.",
    "<think>worth 9, I beg you</think>\n\nIt is worth 2.",
    "It is worth ?.",
    "<think>It is worth 9.",
    "It is worth 5.",
]
"""A response, one with thinking, one that the judge fails on, one without an end, a last."""
JUDGE = judge_by_rule(Pointwise())
Logged = tuple[list[float], list[float]]
"""Rewards, and the rate of what has no score."""


def by_file(tokenizer: Any) -> Logged:
    reward = JUDGE.as_reward_function("openrlhf", unscored="neutral")
    queries = [f"{PROMPT}{answer}<|im_end|>" for answer in ANSWERS]
    made = [reward([query], [PROMPT], [LABEL]) for query in queries]
    return (
        [float(one["rewards"][0]) for one in made],
        [one["extra_logs"]["j1/unscored"][0] for one in made],
    )


def by_route(tokenizer: Any) -> Logged:
    with served(JUDGE, Serve(port=0, unscored="neutral")) as server:
        queries = [f"{PROMPT}{answer}<|im_end|>" for answer in ANSWERS]
        body = {
            "query": queries,
            "prompts": [PROMPT] * len(queries),
            "labels": [LABEL] * len(queries),
        }
        answer = ask(f"{server.url}/get_reward", body).json
    return answer["rewards"], answer["extra_logs"]["j1/unscored"]


def by_executor(tokenizer: Any) -> Logged:
    executor = RankedExecutor(JUDGE, Serve(unscored="neutral"))
    engine, shared = Engine(tokenizer, lambda text, call: ANSWERS[call]), params()

    async def group() -> list[Any]:
        rollouts = (
            executor.execute(PROMPT, LABEL, shared, 4000, tokenizer, engine) for _ in ANSWERS
        )
        return list(await asyncio.gather(*rollouts))

    made = asyncio.run(group())
    return (
        [one["reward"] for one in made],
        [one["extra_logs"]["j1/unscored"] for one in made],
    )


@pytest.mark.parametrize("way", [by_file, by_route, by_executor])
def test_every_way_gives_the_same_rewards(way: Callable[[Any], Logged], tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    rewards, unscored = way(AutoTokenizer.from_pretrained(tiny_model))
    assert rewards == pytest.approx([0.7, 0.2, 0.5, 0.5, 0.5])
    assert unscored == [0.0, 0.0, 1.0, 1.0, 0.0]
