from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from j1sdk.engines import cut_after
from j1sdk.engines.scripted import Scripted
from j1sdk.errors import ConfigError, EngineError
from j1sdk.quoting import COMMON_SPECIAL_TOKENS
from j1sdk.types import Completion, Conversation, Message, Sampling

ASK = (Message(role="user", content="which one ?"),)


def complete(engine: Scripted, **sampling: Any) -> Completion:
    return asyncio.run(engine.complete(ASK, Sampling(**sampling)))


def test_answers_are_given_in_turn() -> None:
    engine = Scripted(answers=("one", "two"))
    assert [complete(engine).text, complete(engine).text] == ["one", "two"]
    assert engine.asked == (ASK, ASK)


def test_an_answer_nobody_wrote_is_an_error() -> None:
    engine = Scripted(answers=("one",))
    complete(engine)
    with pytest.raises(EngineError, match="the script has 1 answers"):
        complete(engine)


def test_a_script_sees_the_conversation_and_the_sampling() -> None:
    def script(conversation: Conversation, sampling: Sampling) -> str:
        return f"{conversation[-1].content} {sampling.seed}"

    assert complete(Scripted(script=script), seed=7).text == "which one ? 7"


def test_an_exception_is_raised_and_a_completion_passed_on() -> None:
    given = Completion(text="x", finish_reason="length", completion_tokens=9)
    assert complete(Scripted(script=lambda *_: given)) == given
    with pytest.raises(KeyError):
        complete(Scripted(script=lambda *_: KeyError("oh")))


def test_words_stand_in_for_tokens() -> None:
    usage = complete(Scripted(answers=("the first",))).usage
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (1, 3, 2)


def test_text_ends_at_the_token_limit() -> None:
    cut = complete(Scripted(answers=("one two three",)), max_new_tokens=2)
    assert (cut.text, cut.finish_reason) == ("one two", "length")
    whole = complete(Scripted(answers=("one two",)), max_new_tokens=2)
    assert whole.finish_reason == "stop"


def test_text_ends_behind_a_stop_string() -> None:
    stopped = complete(Scripted(answers=("one two three",)), stop=("two",))
    assert (stopped.text, stopped.finish_reason) == ("one two", "stop")


@pytest.mark.parametrize(
    ("text", "stops", "cut"),
    [
        ("abcabc", ("c",), "abc"),
        ("abcabc", ("z", "ca", "b"), "ab"),
        ("abcabc", ("z",), "abcabc"),
        ("abcabc", (), "abcabc"),
    ],
)
def test_the_stop_string_that_comes_first_is_kept(
    text: str, stops: tuple[str, ...], cut: str
) -> None:
    assert cut_after(text, stops) == cut


def test_latency_is_waited_for_concurrently() -> None:
    engine = Scripted(answers=("x",) * 20, latency=0.05)

    async def ask_all() -> None:
        await asyncio.gather(*(engine.complete(ASK, Sampling()) for _ in range(20)))

    start = time.monotonic()
    asyncio.run(ask_all())
    assert 0.04 <= time.monotonic() - start < 0.9


def test_a_script_is_no_option_of_a_run_file() -> None:
    dumped = Scripted(answers=("a",), script=lambda *_: "b").model_dump()
    assert dumped == {"name": "scripted", "answers": ("a",), "latency": 0.0}


def test_a_negative_latency_is_refused() -> None:
    with pytest.raises(ConfigError):
        Scripted(latency=-1)


def test_common_special_tokens_are_reserved_where_no_tokenizer_is_in_sight() -> None:
    assert Scripted().reserved == COMMON_SPECIAL_TOKENS
