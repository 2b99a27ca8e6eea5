"""Texts that a chat template has made of a conversation, as trainers send them.

Where such a text is cut decides what is judged as the response, and the response was written by
the policy that is being trained: no cut may depend on what can be written there.
"""

from __future__ import annotations

import re
from functools import cache

from j1sdk.server.options import Serve
from j1sdk.server.refusals import Unreadable

ENDS = (
    "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>",
    "<|return|>", "<end_of_turn>", "<eos>", "</s>", "<pad>", "<|pad|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)  # fmt: skip
"""What ends a turn or a text, and what fills one up."""
HEADERS = (
    r"<\|im_start\|>assistant\n|<\|start_header_id\|>assistant<\|end_header_id\|>\n\n"
    r"|<start_of_turn>model\n|<\|assistant\|>\n?|<\uff5cAssistant\uff5c>|\[/INST\] ?"
)
"""What the response follows, in the templates of Qwen, Llama, Gemma, Phi, DeepSeek and Mistral."""


def after_prompt(query: str, prompt: str) -> str:
    """The response of a query, which is prompt and response in one; raises Unreadable."""
    if not query.startswith(prompt):
        raise Unreadable(
            "a query that does not start with its prompt: the response cannot be told from it"
            " (was the prompt truncated?)"
        )
    return without_end(query[len(prompt) :])


def split(text: str, options: Serve) -> tuple[str, str]:
    """(prompt, response) of a rendered conversation; raises Unreadable.

    At the first header: a response that contains another one must not move the cut.
    """
    found = _pattern(options.response_after or HEADERS).search(text)
    if found is None:
        raise Unreadable(
            "no response found in a text: set response_after to a regular expression for what"
            " comes before it"
        )
    return text[: found.end()], without_end(text[found.end() :])


def asked(prompt: str, options: Serve) -> str:
    """What a rendered prompt asks, if the options tell how to read it; raises Unreadable."""
    if options.prompt_pattern is None:
        return prompt
    if not (found := list(_pattern(options.prompt_pattern).finditer(prompt))):
        raise Unreadable("prompt_pattern does not match the prompt")
    last = found[-1]
    return str(last[1] if last.re.groups else last[0])


def without_end(response: str) -> str:
    """The response without the tokens that end it, which the judge should not see."""
    end = cut = len(response)
    while True:
        while end and response[end - 1].isspace():
            end -= 1
        if not (last := next((one for one in ENDS if response.endswith(one, 0, end)), "")):
            return response[:cut]
        end = cut = end - len(last)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)
