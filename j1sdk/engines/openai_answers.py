"""What servers answer under the name of a chat completion, read as one.

Servers differ in what they call the end of an answer, in where they put thinking, and in what they
say when something is wrong, which many do with a status of 200.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from j1sdk.engines.openai_client import PASSING, SHOWN, Passing, is_out_of_money
from j1sdk.errors import EngineError
from j1sdk.types import Token

INTERRUPTED = ("error", "abort", "cancel", "timeout", "overload", "rate_limit")
"""In a finish reason: the server's own trouble, which may pass."""
WITHHELD = ("filter", "safety", "recitation", "refus", "block", "prohibited", "tool", "function")
"""In a finish reason: the answer is no text, or not all of it."""
CUT = ("length", "max", "limit")
"""In a finish reason: a limit ended the answer."""
THINKING_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""Where a message has the thinking that a server parsed away."""
THINKING_PARTS = ("thinking", "reasoning")
"""Parts of a content that are thinking."""


class Answer(NamedTuple):
    """A chat completion's only choice."""

    choice: Mapping[str, Any]
    thinking: str
    text: str
    ended: Literal["stop", "length"]
    reason: str
    """What the server itself calls the end."""


def read_answer(answered: Any) -> Answer:
    """The answer; raises EngineError where there is none, Passing where there may be one later."""
    choice = _choice(answered)
    message = choice["message"]
    content = "" if message.get("content") is None else message["content"]
    parts = list(_parts(content))
    thinking = _thinking_beside(message)
    thinking += "".join(text for is_thinking, text in parts if is_thinking)
    text = "".join(text for is_thinking, text in parts if not is_thinking)
    ended, reason = _end(choice, message)
    if not text.strip() and ended == "stop":
        _refuse_empty(message, thinking)
    return Answer(choice, thinking, text, ended, reason)


def tokens_of(choice: Mapping[str, Any]) -> tuple[Token, ...]:
    """The tokens of a choice with their alternatives; raises EngineError where it has none."""
    try:
        return tuple(
            Token(
                one["token"],
                float(one["logprob"]),
                tuple((other["token"], float(other["logprob"])) for other in one["top_logprobs"]),
            )
            for one in choice["logprobs"]["content"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError(
            "the server gave no probabilities (choices[0].logprobs.content): leave out"
            " sampling.top_logprobs, or ask a server that has them"
        ) from error


def _choice(answered: Any) -> dict[str, Any]:
    """The first choice, with a message; raises EngineError, or Passing."""
    if failure := _failure(answered):
        raise failure
    try:
        choice: dict[str, Any] = answered["choices"][0]
        message = choice["message"]
    except (KeyError, IndexError, TypeError):
        choice, message = {}, None
    if failure := _failure(choice) or _failure(message):
        raise failure
    if isinstance(message, dict):
        return choice
    empty = isinstance(answered, dict) and "choices" in answered and not answered["choices"]
    kind = Passing if empty else EngineError
    raise kind(f"the server's answer is no chat completion: {shown(answered)}")


def _failure(answered: Any) -> EngineError | None:
    """The error that an answer, or a part of it, holds in place of what was asked for."""
    if not isinstance(answered, dict):
        return None
    error = answered if answered.get("object") == "error" else answered.get("error")
    if not error:
        return None
    message = f"the server answered with an error: {shown(error)}"
    return Passing(message) if _may_pass(error) else EngineError(message)


def _may_pass(error: Any) -> bool:
    """Whether an error that came with a status of 200 is one of the moment."""
    if is_out_of_money({"error": error}):
        return False
    codes = [error.get("code"), error.get("status")] if isinstance(error, dict) else []
    numbers = [int(code) for code in map(str, codes) if code.isdecimal()]
    return all(number in PASSING or number >= 500 for number in numbers)


def _end(
    choice: Mapping[str, Any], message: Mapping[str, Any]
) -> tuple[Literal["stop", "length"], str]:
    """How the answer ended, in our word and the server's; raises EngineError, or Passing.

    Any other word, such as `eos_token` or `end_turn`, is one for an end in good order.
    """
    reason = choice.get("finish_reason")
    if not isinstance(reason, str) or not reason:
        raise EngineError(f"the server does not say that it finished: finish_reason is {reason!r}")
    trouble = _has(reason, INTERRUPTED)
    if trouble or _has(reason, WITHHELD):
        refusal = f": {message['refusal']}" if message.get("refusal") else ""
        kind = Passing if trouble else EngineError
        raise kind(f"the server gave the answer up: finish_reason is {reason!r}{refusal}")
    return ("length" if _has(reason, CUT) else "stop"), reason


def _has(reason: str, words: Sequence[str]) -> bool:
    return any(word in reason.lower() for word in words)


def _refuse_empty(message: Mapping[str, Any], thinking: str) -> None:
    """Raise EngineError for a finished answer without a text."""
    if thinking.strip():
        raise EngineError(
            "the server calls all of the answer thinking and its content is empty: either the model"
            " never ended its thinking, or it did not think and the server's reasoning parser took"
            f" the answer for it. Start the server without one. It wrote: {shown(thinking)}"
        )
    if message.get("content") is None:
        raise EngineError(f"the server's answer is empty: {message.get('refusal') or 'null'}")


def _thinking_beside(message: Mapping[str, Any]) -> str:
    """Thinking that a server put beside the content, under the first name that has any."""
    for field in THINKING_FIELDS:
        if value := message.get(field):
            return "".join(text for _, text in _parts(value))
    return ""


def _parts(content: Any) -> Iterator[tuple[bool, str]]:
    """(whether it is thinking, text) of each part of a content; raises EngineError for others."""
    for part in [content] if isinstance(content, (str, dict)) else content or ():
        if isinstance(part, str):
            yield False, part
            continue
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        if kind in THINKING_PARTS:
            inner = part.get(kind) or part.get("text") or part.get("summary") or ""
            yield True, "".join(text for _, text in _parts(inner))
        elif kind in ("text", "output_text") and isinstance(part.get("text"), str):
            yield False, part["text"]
        else:
            raise EngineError(f"the server's answer is no text but has a part {kind!r}")


def shown(answered: Any) -> str:
    """The beginning of what was answered."""
    text = answered if isinstance(answered, str) else json.dumps(answered, default=str)
    return " ".join(text.split())[:SHOWN]
