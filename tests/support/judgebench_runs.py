"""Runs of judges on pairs of JudgeBench's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recorded import A_WINS, B_WINS

from j1sdk import (
    Conversation,
    EngineError,
    JudgeRewardModel,
    PairwiseVerdict,
    Sampling,
    Scripted,
)

FORM = PairwiseVerdict()
Script = Callable[[Conversation, Sampling], str | EngineError]


CATEGORIES = [("Knowledge", 20), ("Math", 12)]


def fair(conversation: Conversation, sampling: Sampling) -> str:
    text = conversation[-1].content
    return FORM.write(A_WINS if text.index("right ") < text.index("wrong ") else B_WINS, "Hm.")


def first(conversation: Conversation, sampling: Sampling) -> str:
    return FORM.write(A_WINS, "Hm.")


def judging(script: Script, **options: Any) -> JudgeRewardModel:
    return JudgeRewardModel(format=FORM, engine=Scripted(script=script), **options)
