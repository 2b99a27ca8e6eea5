"""An answer that is begun for the judge ends in a verdict, or in none."""

from __future__ import annotations

import math
from typing import Any

import pytest
from j1sdk_scale import Prefilled

from j1sdk import (
    Completion,
    EngineError,
    JudgeRewardModel,
    JudgmentStatus,
    JudgmentTask,
    PairwiseVerdict,
    Scripted,
)
from j1sdk.testing import FormatContract
from j1sdk.types import Token

FAST = PairwiseVerdict(thinking="none")
TASK = JudgmentTask.from_pair("Sum of 2 and 2?", "4", "5")


class TestPrefilled(FormatContract):
    component = Prefilled(format=FAST)


class TestPrefilledTag(FormatContract):
    component = Prefilled(format=FAST, begun="answer")


@pytest.mark.parametrize(
    ("begun", "tokens", "scores"),
    [
        ("answer", ["[[", "A", "]]"], (1.0, 0.0)),
        ("answer", ["[[A]]"], (1.0, 0.0)),
        ("answer", ["[[", "B]]</answer>"], (0.0, 1.0)),
        ("answer", ["[[", "C", "]]"], None),
        ("answer", ["[["], None),
        ("answer", ["A"], None),
        ("answer", [""], None),
        ("verdict", ["A"], (1.0, 0.0)),
        ("verdict", ["B]]"], (0.0, 1.0)),
        ("verdict", ["B]]</"], (0.0, 1.0)),
        ("verdict", ["C"], None),
        ("verdict", [" "], None),
        ("verdict", [""], None),
        ("verdict", ["AB"], None),
    ],
)
def test_what_was_begun_ends_in_a_verdict_or_in_none(
    begun: Any, tokens: list[str], scores: Any
) -> None:
    told = tuple(Token(one, -0.1, ((one, -0.1),)) for one in tokens)
    written = Completion(text="".join(tokens), tokens=told)
    engine = Scripted(script=lambda asked, sampling: written)
    judge = JudgeRewardModel(format=Prefilled(format=FAST, begun=begun), engine=engine)
    for judgment in judge.judge([TASK])[0].judgments:
        assert judgment.scores == scores
        assert judgment.ok == bool(judgment.probabilities) == bool(scores)
        assert judgment.ok or judgment.status is JudgmentStatus.UNPARSEABLE
        if judgment.ok:  # what was written counts once, and nothing else was likely
            assert sum(judgment.probabilities[0].values()) == pytest.approx(
                math.exp(-0.1 * sum(one not in ("", "]]") for one in tokens)), abs=0.1
            )
    expected = "<answer>" if begun == "answer" else "<answer>[["
    assert engine.asked[0][-1].content == expected


def test_an_answer_that_never_came_is_an_engine_error() -> None:
    engine = Scripted(script=lambda asked, sampling: EngineError("it is down"))
    judge = JudgeRewardModel(format=Prefilled(format=FAST), engine=engine)
    (result,) = judge.judge([TASK])
    assert {one.status for one in result.judgments} == {JudgmentStatus.ENGINE_ERROR}
