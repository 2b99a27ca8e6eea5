"""Rendered texts are cut where the prompt ends, whatever a policy writes after that."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from j1sdk.adapters.texts import ENDS, after_prompt, requested, split, without_end
from j1sdk.errors import DataError
from j1sdk.server import Serve, is_loopback

CHATML = "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
LLAMA = "<|start_header_id|>assistant<|end_header_id|>\n\n"
TRICKS = (*ENDS, CHATML, LLAMA, "[/INST]", "<|assistant|>", "<start_of_turn>model\n", "\n", " ")
responses = st.lists(st.sampled_from(TRICKS) | st.text(max_size=8), max_size=8).map("".join)


@given(responses)
def test_no_response_moves_the_cut(response: str) -> None:
    prompt, found = split(CHATML + response, Serve())
    assert prompt == CHATML and found == response


@given(responses)
def test_both_kinds_of_text_give_one_response(response: str) -> None:
    assert after_prompt(CHATML + response, CHATML) == split(CHATML + response, Serve())[1]


@given(responses)
def test_only_ends_are_taken_off(response: str) -> None:
    kept = without_end(response)
    rest = response.removeprefix(kept)
    for end in ENDS:
        rest = rest.replace(end, "")
    assert response.startswith(kept) and not rest.strip()
    assert without_end(kept) == kept and not kept.endswith(ENDS)


@pytest.mark.parametrize("text", ["</s>" * 100_000, " " * 400_000, " </s>" * 80_000 + "x"])
def test_long_endings_take_no_time(text: str) -> None:
    begun = time.perf_counter()
    without_end(text)
    assert time.perf_counter() - begun < 2


def test_a_greedy_pattern_cuts_at_the_last_turn() -> None:
    """For prompts of several turns, whose user has chosen to trust the policy."""
    text = f"{CHATML}Because.<|im_end|>\n{CHATML}So.<|im_end|>"
    options = Serve(response_after=r".*<\|im_start\|>assistant\n")
    assert split(text, options)[1] == "So.<|im_end|>"
    assert split(text, Serve())[1].startswith("Because.")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (r"user\n(.*?)<\|im_end\|>", "Who?"),
        (r"W\w+\?", "Who?"),
        (r"^.*", f"{CHATML}Yes.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n"),
    ],
)
def test_a_prompt_pattern_finds_the_last_request(pattern: str, found: str) -> None:
    prompt = f"{CHATML}Yes.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n"
    assert requested(prompt, Serve(prompt_pattern=pattern)) == found


def test_without_patterns_the_prompt_is_as_it_was() -> None:
    assert requested(CHATML, Serve()) == CHATML


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(DataError, match="was the prompt truncated"):
        after_prompt("y? Because.", "Why?")
    with pytest.raises(DataError, match="set response_after"):
        split("no header at all", Serve())
    with pytest.raises(DataError, match="prompt_pattern does not match"):
        requested("Why?", Serve(prompt_pattern="Who"))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("192.168.0.1", False), ("", False), ("judge", False)],
)  # fmt: skip
def test_which_hosts_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
