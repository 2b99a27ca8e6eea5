"""Judges that score by rule, and a call of their reward function as TRL makes it."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable
from typing import Any

from j1sdk import EngineError, JudgeRewardModel, PairwiseScores, Pointwise, Sampling, Scripted
from j1sdk.engines.scripted import Answer
from j1sdk.types import Conversation

SHOWN = re.compile(r"^\[Response(?: of assistant [AB])?\]\n(.*?)\n\[End of response", re.S | re.M)


def shown(conversation: Conversation) -> list[str]:
    """The responses a judge was asked about."""
    return SHOWN.findall(conversation[-1].content)


def length(text: str) -> float:
    return float(min(len(text), 10))


def scorer(score: Callable[[str], float]) -> Scripted:
    """An engine that has nothing to say about a response with a question mark."""

    def answer(conversation: Conversation, sampling: Sampling) -> Answer:
        responses = shown(conversation)
        if any("?" in response for response in responses):
            return EngineError("no answer")
        format = Pointwise() if len(responses) == 1 else PairwiseScores()
        return format.write(tuple(map(score, responses)))

    return Scripted(script=answer)


def pointwise(score: Callable[[str], float] = length) -> JudgeRewardModel:
    return JudgeRewardModel(format=Pointwise(), engine=scorer(score))


def pairwise(score: Callable[[str], float] = length) -> JudgeRewardModel:
    return JudgeRewardModel(format=PairwiseScores(), engine=scorer(score))


def asked(judge: JudgeRewardModel) -> list[list[str]]:
    """The responses of each completion that the judge's engine was asked for."""
    assert isinstance(judge.engine, Scripted)
    return [shown(conversation) for conversation in judge.engine.asked]


def call(reward: Callable[..., Any], prompts: Any, completions: Any, **columns: Any) -> Any:
    made = reward(prompts=prompts, completions=completions, **columns)
    return asyncio.run(made) if inspect.iscoroutine(made) else made
