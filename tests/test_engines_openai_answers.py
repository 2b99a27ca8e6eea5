"""What servers really answer: other words for the end, thinking in parts, errors that look fine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from asking import ask

from j1sdk import (
    Completion,
    EngineError,
    JudgeRewardModel,
    JudgmentStatus,
    JudgmentTask,
    OpenAI,
    PairwiseVerdict,
    Sampling,
)
from j1sdk.background import run

if TYPE_CHECKING:
    from tests.conftest import ChatServer, Script

Serve = Callable[["Script"], "ChatServer"]


def engine_for(served: ChatServer, **options: Any) -> OpenAI:
    return OpenAI(**{"model": "judge", "base_url": served.url, "retries": 2, **options})


def one(engine: OpenAI, begun: str = "") -> Completion:
    return run(engine.complete(ask("hi", begun=begun), Sampling()))


def said(content: Any, reason: Any = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion with further fields of its message."""
    message = {"role": "assistant", "content": content, **message}
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}


def answering(*answers: Any, last: Any = None) -> Script:
    """The answers in turn, then the last one for ever."""

    async def script(number: int, body: dict[str, Any], request: Any) -> Any:
        return answers[number] if number < len(answers) else last or answers[-1]

    return script


def refusing(status: int, body: dict[str, Any]) -> Script:
    async def script(number: int, asked: dict[str, Any], request: Any) -> Any:
        from aiohttp import web

        return web.json_response(body, status=status)

    return script


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("eos_token", "stop"),
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("COMPLETE", "stop"),
        ("a word made up yesterday", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("token_limit", "length"),
    ],
)
def test_the_end_has_many_names(chat_server: Serve, reason: str, expected: str) -> None:
    written = one(engine_for(chat_server(answering(said("text", reason)))))
    assert (written.text, written.finish_reason) == ("text", expected)
    assert written.server_reason == ("" if reason == expected else reason)


@pytest.mark.parametrize(
    "reason", ["content_filter", "SAFETY", "PROHIBITED_CONTENT", "tool_calls", "refusal", None, ""]
)
def test_an_answer_that_was_withheld_is_an_engine_error(chat_server: Serve, reason: Any) -> None:
    server = chat_server(answering(said("half of it", reason, refusal="I will not")))
    with pytest.raises(EngineError, match=f"finish_reason is {reason!r}"):
        one(engine_for(server))
    assert len(server.asked) == 1


OUTAGE = {"code": 502, "message": "Provider returned error"}
TROUBLED = {"message": {"role": "assistant", "content": None}, "finish_reason": "stop"}
TRANSIENT = {
    "an error with a status of 200": ({"error": OUTAGE}, "Provider returned error"),
    "a code that is text": ({"error": {"code": "503", "message": "busy"}}, "busy"),
    "an error without a code": ({"error": {"message": "overloaded"}}, "overloaded"),
    "an error that is text": ({"error": "upstream timed out"}, "upstream timed out"),
    "vLLM's": ({"object": "error", "code": 500, "message": "dead"}, "dead"),
    "no choices": ({"choices": []}, "no chat completion"),
    "null for choices": ({"choices": None, "id": "x"}, "no chat completion"),
    "an error in the choice": ({"choices": [{**TROUBLED, "error": OUTAGE}]}, "Provider returned"),
    "an error in the message": (said(None, error=OUTAGE), "Provider returned error"),
    "given up": (said("half", "error"), "finish_reason is 'error'"),
    "aborted": (said("half", "abort"), "finish_reason is 'abort'"),
}


@pytest.mark.parametrize("kind", TRANSIENT)
def test_what_may_pass_is_asked_again_and_shown(chat_server: Serve, kind: str) -> None:
    answer, words = TRANSIENT[kind]
    server = chat_server(answering(answer, answer, last=said("at last")))
    assert one(engine_for(server)).text == "at last" and len(server.asked) == 3
    with pytest.raises(EngineError, match=f"failed 2 times in .*, last with: .*{words}"):
        one(engine_for(chat_server(answering(answer)), retries=1))


LASTING = {
    "a request that is wrong": ({"error": {"code": 400, "message": "too long"}}, "too long"),
    "a key that is wrong": ({"error": {"code": "401", "message": "who?"}}, "who"),
    "no money": ({"error": {"code": "insufficient_quota", "message": "pay"}}, "pay"),
    "another shape": ({"choices": [{"text": "a completion"}]}, "no chat completion"),
    "another protocol": ({"content": [{"type": "text"}]}, "no chat completion"),
    "no message": ({"choices": [{"message": None}]}, "no chat completion"),
    "a list": ([1, 2], "no chat completion"),
    "nothing written": (said(None), "empty: null"),
    "a refusal": (said(None, refusal="I will not"), "I will not"),
    "a picture": (said([{"type": "image_url", "image_url": {}}]), "a part 'image_url'"),
    "a number": (said([7]), "a part 'int'"),
    "a part without its text": (said([{"type": "text"}]), "a part 'text'"),
}


@pytest.mark.parametrize("kind", LASTING)
def test_what_does_not_pass_is_asked_once(chat_server: Serve, kind: str) -> None:
    answer, words = LASTING[kind]

    async def script(number: int, body: dict[str, Any], request: Any) -> Any:
        from aiohttp import web

        return web.json_response(answer)

    server = chat_server(script)
    with pytest.raises(EngineError, match=words):
        one(engine_for(server))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "error",
    [
        {"code": "insufficient_quota", "message": "You exceeded your current quota"},
        {"type": "insufficient_quota", "code": None, "message": "pay"},
        {"type": "exceeded_current_quota_error", "message": "suspended"},
    ],
)
def test_an_account_without_money_is_not_asked_again(chat_server: Serve, error: Any) -> None:
    server = chat_server(refusing(429, {"error": error}))
    with pytest.raises(EngineError, match=rf"429 .*{error['message']}.*nothing left to pay with"):
        one(engine_for(server))
    assert len(server.asked) == 1


def test_asking_too_fast_is_another_matter(chat_server: Serve) -> None:
    error = {"code": "rate_limit_exceeded", "type": "requests", "message": "Rate limit: quota"}
    server = chat_server(refusing(429, {"error": error}))
    with pytest.raises(EngineError, match="failed 3 times"):
        one(engine_for(server))


def test_a_key_that_an_error_repeats_is_not_shown(
    chat_server: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-123456")
    server = chat_server(answering({"error": {"code": 401, "message": "bad key sk-123456"}}))
    with pytest.raises(EngineError, match=r"bad key \*\*\*"):
        one(engine_for(server, api_key_env="JUDGE_KEY"))


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "A is "},
                                            {"type": "text", "text": "right"}]}  # fmt: skip
VERDICT = {"type": "text", "text": "<answer>[[A]]</answer>"}
JOINED = "<think>A is right</think><answer>[[A]]</answer>"


@pytest.mark.parametrize(
    ("content", "more", "text"),
    [
        ([THOUGHT, VERDICT], {}, JOINED),
        ([{"type": "thinking", "thinking": "A is right"}, VERDICT], {}, JOINED),
        ([{"type": "reasoning", "text": "A is right"}, VERDICT], {}, JOINED),
        ([{"type": "reasoning", "summary": [{"type": "text", "text": "A is right"}]}, VERDICT],
         {}, JOINED),
        ([VERDICT], {}, VERDICT["text"]),
        (["<answer>", "[[A]]</answer>"], {}, VERDICT["text"]),
        ([VERDICT], {"reasoning": "A is right"}, JOINED),
        (VERDICT["text"], {"reasoning_content": "A is right", "reasoning": "again"}, JOINED),
        (VERDICT["text"], {"reasoning_content": [{"type": "text", "text": "A is right"}]}, JOINED),
        (VERDICT["text"], {"reasoning_content": None, "thinking": "A is right"}, JOINED),
    ],
)  # fmt: skip
def test_parts_are_joined_and_thinking_is_thinking(
    chat_server: Serve, content: Any, more: dict[str, Any], text: str
) -> None:
    engine = engine_for(chat_server(answering(said(content, **more))))
    assert one(engine).text == text
    assert one(engine.replace(reasoning="drop")).text == VERDICT["text"]
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    (result,) = judge.judge([JudgmentTask.from_pair("1+1", chosen="2", rejected="3")])
    expected = JudgmentStatus.OK if text == JOINED else JudgmentStatus.UNPARSEABLE
    assert {judgment.status for judgment in result.judgments} == {expected}


def test_thinking_in_parts_that_was_cut_is_not_ended(chat_server: Serve) -> None:
    written = one(engine_for(chat_server(answering(said([THOUGHT], "length")))))
    assert (written.text, written.finish_reason) == ("<think>A is right", "length")


@pytest.mark.parametrize("reasoning", ["rejoin", "drop"])
@pytest.mark.parametrize("content", [None, "", "\n\n", []], ids=repr)
def test_an_answer_that_is_all_thinking_says_what_happened(
    chat_server: Serve, content: Any, reasoning: str
) -> None:
    swallowed = said(content, reasoning_content="<answer>[[A]]</answer>")
    engine = engine_for(chat_server(answering(swallowed)), reasoning=reasoning)
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    (result,) = judge.judge([JudgmentTask.from_pair("1+1", chosen="2", rejected="3")])
    for judgment in result.judgments:
        assert judgment.status is JudgmentStatus.ENGINE_ERROR
        assert "reasoning parser took the answer for it" in judgment.detail
        assert "It wrote: <answer>[[A]]</answer>" in judgment.detail


def test_nothing_written_within_the_limit_is_cut_and_no_error(chat_server: Serve) -> None:
    written = one(engine_for(chat_server(answering(said(None, "length")))))
    assert (written.text, written.finish_reason) == ("", "length")
