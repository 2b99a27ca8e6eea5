"""Runs of judges on pairs of JudgeBench's form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
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


def write_rows(folder: Path) -> Path:
    """Six pairs of JudgeBench's form, of two categories; the right response says so."""
    path = folder / "judgebench.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(6):
            right, wrong = f"right {number}", f"wrong {number}"
            swapped = number % 2
            row = {
                "pair_id": f"pair-{number}",
                "source": "livebench-math" if number < 3 else "livecodebench",
                "question": f"Question {number}?",
                "response_model": "gpt-4o",
                "response_A": wrong if swapped else right,
                "response_B": right if swapped else wrong,
                "label": "B>A" if swapped else "A>B",
            }
            file.write(f"{json.dumps(row)}\n")
    return path
