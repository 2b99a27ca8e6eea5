"""From a conversation to token ids, for everything that has the tokenizer at hand.

The same lines serve the engine, the trainers and the tiny world, so that a judge is trained on
exactly the tokens it is later asked with.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from j1sdk.engines.replies import parts, reply_form
from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.quoting import breakable
from j1sdk.types import Conversation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory or hub name; ConfigError where none fit to judge is there."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "transformers") from error
    if _is_path(model) and not Path(model).is_dir():
        raise ConfigError(f"no model directory at {model}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except Exception as error:  # a damaged file fails as its own library pleases
        raise ConfigError(f"cannot open {model} as a model: {error}") from error
    require_chat_template(tokenizer, model)
    return tokenizer


def _is_path(model: str) -> bool:
    """Whether this can only be a directory: names on the hub have one slash at most."""
    return (
        model.startswith((os.sep, ".", "~"))
        or model.count(os.sep) > 1
        or (os.sep in model and Path(model).parent.is_dir())
    )


def require_chat_template(tokenizer: PreTrainedTokenizerBase, model: str) -> None:
    """Raise ConfigError where the tokenizer has no chat template."""
    if not tokenizer.chat_template:
        raise ConfigError(
            f"{model} has no chat template, so it cannot be asked to judge: use an instruction-"
            "tuned model, or save a template with it (tokenizer.chat_template = ...)"
        )


def reserved_tokens(tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
    """What the tokenizer takes for one token wherever it occurs in a text."""
    added = {token.content for token in tokenizer.added_tokens_decoder.values()}
    return breakable(added | set(tokenizer.all_special_tokens))


def messages(conversation: Conversation) -> list[dict[str, str]]:
    """The conversation as transformers, TRL and servers write it."""
    return [{"role": message.role, "content": message.content} for message in conversation]


def render_chat(
    tokenizer: PreTrainedTokenizerBase, conversation: Conversation, **template_options: Any
) -> str:
    """The text a model completes.

    A final assistant message goes behind the template's generation prompt as it is. The
    template's own continuation is not used: several drop or trim thinking they find there.
    Raises ConfigError for a template that shows no messages.
    """
    form = reply_form(tokenizer, template_options)
    unfinished = conversation[-1].role == "assistant"
    asked = messages(conversation[:-1] if unfinished else conversation)
    text = tokenizer.apply_chat_template(
        parts(asked) if form.in_parts else asked,
        tokenize=False, add_generation_prompt=True, **template_options,
    )  # fmt: skip
    return str(text) + (form.unopened(conversation[-1].content) if unfinished else "")


def encode_chat(
    tokenizer: PreTrainedTokenizerBase, conversation: Conversation, **template_options: Any
) -> list[int]:
    """The token ids a model completes."""
    text = render_chat(tokenizer, conversation, **template_options)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
