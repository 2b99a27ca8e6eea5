"""What a policy is trained on: a file of prompts, as OpenRLHF's rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from j1sdk.adapters.texts import Label, after_prompt
from j1sdk.data.containers import read_lines
from j1sdk.engines.chat import render_chat
from j1sdk.errors import ConfigError, DataError, explain
from j1sdk.training.layout import fitting

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Rows(NamedTuple):
    """Rows that fit, and the tokens of the longest prompt among them."""

    rows: list[dict[str, Any]]
    longest: int


def read_prompts(path: Path) -> list[Label]:
    """The lines of a file, `{prompt, reference?}`; other fields are left alone. Raises DataError.

    A prompt is a text or a list of messages.
    """
    found = []
    for number, record in read_lines(path):
        try:
            found.append(Label.model_validate(record))
        except ValidationError as error:
            raise DataError(f"{path}, line {number}: {explain(error)[0]}") from None
    if not found:
        raise DataError(f"{path} has no prompts")
    return found


def prompt_rows(
    prompts: list[Label],
    tokenizer: PreTrainedTokenizerBase,
    options: dict[str, Any],
    room: int | None,
    drop_long: bool,
) -> Rows:
    """Rows of rendered prompts, labelled with what the reward is to know; raises ConfigError.

    `options` are the chat template's, `room` the tokens that a prompt may have.
    """
    rows = [row(one, render_chat(tokenizer, one.prompt, **options)) for one in prompts]
    texts = [one["input"] for one in rows]
    sizes = [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    room = max(sizes) if room is None else room
    kept = fitting(rows, sizes, room, drop_long)
    return Rows(kept, max((size for size in sizes if size <= room), default=0))


def check_round_trip(
    tokenizer: PreTrainedTokenizerBase, rows: list[dict[str, Any]], policy: str
) -> None:
    """Raise ConfigError where a response cannot be told from its prompt any more.

    OpenRLHF sends a reward function both as one text, decoded from tokens.
    """
    for prompt in (row["input"] for row in rows[:1]):
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        answer = tokenizer("Because.", add_special_tokens=False)["input_ids"]
        try:
            after_prompt(str(tokenizer.decode([*ids, *answer])), prompt)
        except DataError as error:
            raise ConfigError(
                f"the tokenizer of {policy} does not give a prompt back as it was ({prompt[:60]!r}"
                f" becomes {str(tokenizer.decode(ids))[:60]!r}), so a response cannot be told from"
                ' it: set reward = "group", which has the tokens'
            ) from error


def row(asked: Label, rendered: str) -> dict[str, Any]:
    """One row. Its label has the prompt as messages: a judge is not shown a chat template."""
    return {"input": rendered, "label": asked.write(), "datasource": "policy"}
