"""The page's code for eval-protocol, run by its own decorator; its clients of clouds are absent."""

from __future__ import annotations

import asyncio

import pytest
from absent import without
from pages import blocks, executed, section

from j1sdk import Pointwise
from j1sdk.testing import judge_by_rule

without("litellm", "fireworks", "anthropic", "mcp")


@pytest.mark.parametrize("value, score, valid", [("7", 0.7, True), ("?", 0.0, False)])
def test_a_failure_is_said_to_be_no_score(value: str, score: float, valid: bool) -> None:
    (code,) = blocks(section("frameworks", "eval-protocol"), "python")
    names = executed(code, judge=judge_by_rule(Pointwise()))
    turns = [("user", "Name a colour."), ("assistant", f"It is worth {value}.")]
    messages = [{"role": role, "content": content} for role, content in turns]
    result = asyncio.run(names["judged"](messages=messages))
    assert (result.score, result.is_score_valid) == (pytest.approx(score), valid)
