"""From a conversation to token ids, for everything that has the tokenizer at hand.

The same lines serve the engine, the trainers and the tiny world, so that a judge is trained on
exactly the tokens it is later asked with.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from j1sdk.engines.replies import parts, reply_form
from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.quoting import COMMON_SPECIAL_TOKENS, Reserved, breakable
from j1sdk.types import Conversation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(model: str, gguf_file: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory or hub name, or of a GGUF file there.

    Raises ConfigError where there is none that is fit to judge with.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "transformers") from error
    if _is_path(model) and not Path(model).is_dir():
        raise ConfigError(f"no model directory at {model}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            model, trust_remote_code=False, gguf_file=gguf_file
        )
    except Exception as error:  # a damaged file fails as its own library pleases
        if gguf_file and isinstance(error, ImportError):
            raise MissingExtraError("gguf", "gguf") from error
        if not gguf_file and (found := sorted(Path(model).glob("*.gguf"))):
            raise ConfigError(f'{model} holds GGUF: set gguf_file = "{found[0].name}"') from error
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


CONTROL = re.compile(
    r"<\|[^<>|\s]{1,60}\|?>|<[^<>|\s]{1,60}\|>|<\uff5c[^<>\uff5c\n]{1,60}\uff5c>"
    r"|<</?[A-Z]+>>|\[/?[A-Z][A-Z_]+\]|</?\w+_\w+>"
)
"""How the words of chat templates are spelt, and hardly anything else."""
BRACKETED = re.compile(r"<[^<>\s]{1,60}>|\[/?[A-Z][A-Z_]+\]")


def reserved_tokens(tokenizer: PreTrainedTokenizerBase) -> Reserved:
    """What tokenizer and chat template take for control, wherever it occurs in a text.

    Other added tokens are text: some vocabularies have HTML tags.
    """
    by_template = _RESERVED.setdefault(tokenizer, {})
    key = (str(tokenizer.chat_template), len(tokenizer), *tokenizer.all_special_tokens)
    if key not in by_template:
        by_template[key] = _reserved(tokenizer)
    return by_template[key]


_RESERVED: WeakKeyDictionary[Any, dict[tuple[Any, ...], Reserved]] = WeakKeyDictionary()


def _reserved(tokenizer: PreTrainedTokenizerBase) -> Reserved:
    added = tokenizer.added_tokens_decoder
    special = {token.content for token in added.values() if token.special}
    shaped = {token.content for token in added.values() if CONTROL.fullmatch(token.content)}
    words = special | shaped | {*tokenizer.all_special_tokens} | template_words(tokenizer)
    reserved = breakable(words | COMMON_SPECIAL_TOKENS)
    ids = frozenset(place for place, token in added.items() if token.content in reserved)
    disguised = any(added[place].normalized for place in ids) and _normalizes(tokenizer)
    return Reserved(reserved, partial(control_places, tokenizer, ids) if disguised else None)


def template_words(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """The words by which a chat template tells turns apart, tokens or not."""
    if not isinstance(template := tokenizer.chat_template, str):
        return set()
    return {*CONTROL.findall(template), *BRACKETED.findall(reply_form(tokenizer).frame)}


def _normalizes(tokenizer: PreTrainedTokenizerBase) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend is not None and backend.normalizer is not None


def control_places(tokenizer: PreTrainedTokenizerBase, ids: frozenset[int], text: str) -> list[int]:
    """Where the tokenizer sees one of these tokens begin."""
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    places = zip(read["input_ids"], read["offset_mapping"], strict=True)
    return [begin for token, (begin, end) in places if token in ids and end > begin]


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
        tokenize=False,
        add_generation_prompt=True,
        **template_options,
    )
    return str(text) + (form.unopened(conversation[-1].content) if unfinished else "")


def encode_chat(
    tokenizer: PreTrainedTokenizerBase, conversation: Conversation, **template_options: Any
) -> list[int]:
    """The token ids a model completes."""
    text = render_chat(tokenizer, conversation, **template_options)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
