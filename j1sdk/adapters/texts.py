"""Prompts and responses as trainers send them: rendered by a chat template, with a label beside.

Where a text is cut decides what is judged as the response, and the response was written by the
policy that is being trained: no cut may depend on what can be written there.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from j1sdk.adapters.answers import conversation, final_answer, opens_thinking, reference_answer
from j1sdk.adapters.scores import Item
from j1sdk.component import Value
from j1sdk.errors import DataError, explain
from j1sdk.types import Conversation

ENDS = (
    *("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>"),
    *("<|return|>", "<|call|>", "<|eot|>", "<end_of_turn>", "<turn|>", "<|END_OF_TURN_TOKEN|>"),
    *("<end_of_utterance>", "<eos>", "</s>", "<pad>", "<|pad|>"),
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)
"""What ends a turn or a text, and what fills one up."""
HEADERS = (
    r"<\|im_start\|>assistant\n|<\|start_header_id\|>assistant<\|end_header_id\|>\n\n"
    r"|<start_of_turn>model\n|<\|turn>model\n|<\|assistant\|>\n?|<\|start\|>assistant"
    r"|<\|CHATBOT_TOKEN\|>|<\uff5cAssistant\uff5c>|\[/INST\] ?"
)
"""What the response follows, in the templates of Qwen, Llama, Gemma, Phi, gpt-oss, Command,
DeepSeek and Mistral."""
LABEL_START, LABEL_END = '{"j1":', "}"


class TextOptions(Value):
    """How a trainer's texts are read."""

    reference: Literal["label", "none"] = "label"
    """Whether the label that a trainer sends with a prompt is a reference answer."""
    show_thinking: bool = False
    """Show the judge the policy's thinking too, not just its final answer."""
    prompt_pattern: str | None = None
    """A regular expression whose last match, or its first group, is the prompt to judge by.

    For trainers that send prompts rendered with a chat template; without it the judge is shown
    the text as it is.
    """
    response_after: str | None = None
    """A regular expression; a response starts behind its first match. For routes that get prompt
    and response in one text; without it the headers of common chat templates are looked for.
    """

    @field_validator("prompt_pattern", "response_after")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class Label(BaseModel):
    """A prompt as it was before a chat template rendered it, and a reference answer if known.

    Our own rows carry it: trainers send along whatever stands in a row as its label.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    prompt: Conversation = Field(min_length=1)
    reference: str | None = None

    def write(self) -> str:
        """As one text: in an object, Arrow would make times of texts that look like some."""
        return LABEL_START + self.model_dump_json() + LABEL_END

    @classmethod
    def read(cls, label: Any) -> Self | None:
        """The label, if `write` wrote it; None for anything else. Raises DataError."""
        if not isinstance(label, str) or not label.startswith(LABEL_START):
            return None
        try:
            return cls.model_validate_json(label.removeprefix(LABEL_START).removesuffix(LABEL_END))
        except ValidationError as error:
            raise DataError(f"a label that is damaged: {explain(error)[0]}") from error


def item_of(prompt: Any, response: Any, label: Any, options: TextOptions) -> Item:
    """The item of a prompt, rendered or as messages, and what followed it; raises DataError."""
    opened = isinstance(prompt, str) and opens_thinking(prompt)
    written = without_end(response) if isinstance(response, str) else response
    answer = final_answer(written, options.show_thinking, opened)
    if told := Label.read(label):
        return Item(told.prompt, answer, reference_of(told.reference, options))
    asked = requested(prompt, options) if isinstance(prompt, str) else prompt
    return Item(conversation(asked), answer, reference_of(label, options))


def item_of_text(text: str, options: TextOptions) -> Item:
    """The item of a text that is prompt and response in one; raises DataError."""
    return item_of(*split(text, options), None, options)


def reference_of(label: Any, options: TextOptions) -> str | None:
    """The label as a reference answer, if it is a text or a number; trainers send others too."""
    if options.reference == "none" or isinstance(label, bool):
        return None
    return reference_answer(label) if isinstance(label, str | int | float) else None


def after_prompt(query: str, prompt: str) -> str:
    """The response of a query, which is prompt and response in one; raises DataError.

    A query is decoded from tokens, and tokenizers like Llama 2's add or drop white space around
    special tokens: where the prompt's own is not there as it was, all of it is passed over.
    """
    if query.startswith(prompt):
        return query[len(prompt) :]
    place, wanted = 0, "".join(prompt.split())
    for character in wanted:
        while place < len(query) and query[place].isspace():
            place += 1
        if query[place : place + 1] != character:
            raise DataError(
                "a query that does not start with its prompt: the response cannot be told from it"
                " (was the prompt truncated?)"
            )
        place += 1
    return query[place:].lstrip()


def split(text: str, options: TextOptions) -> tuple[str, str]:
    """(prompt, response) of a rendered conversation; raises DataError.

    At the first header: a response that contains another one must not move the cut.
    """
    match = _pattern(options.response_after or HEADERS).search(text)
    if match is None:
        raise DataError(
            "no response found in a text: set response_after to a regular expression for what"
            " comes before it"
        )
    return text[: match.end()], text[match.end() :]


def requested(prompt: str, options: TextOptions) -> str:
    """What a rendered prompt asks, if the options tell how to read it; raises DataError."""
    if options.prompt_pattern is None:
        return prompt
    if not (matches := list(_pattern(options.prompt_pattern).finditer(prompt))):
        raise DataError("prompt_pattern does not match the prompt")
    last = matches[-1]
    return str(last[1] if last.re.groups else last[0])


def without_end(response: str) -> str:
    """The response without the tokens that end it, which the judge should not see."""
    end = cut = len(response)
    while True:
        while end and response[end - 1].isspace():
            end -= 1
        if not (last := next((token for token in ENDS if response.endswith(token, 0, end)), "")):
            return response[:cut]
        end = cut = end - len(last)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)
