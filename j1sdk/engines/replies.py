"""How a chat template begins and ends a reply, asked of the template itself.

Whether thinking is already open where the model begins to write, what ends its turn, and what the
template writes around a reply: for engines, trainers and exports alike. A template is a program,
so a conversation with words of our own is rendered and the places around them are looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from j1sdk.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ASKED, REPLIED = "Qasked7", "Zreplied7"
"""Words that no template holds."""
OPENED = re.compile(r"<((?:\w+:)?think(?:ing)?|thought|reasoning)>\s*\Z")
THINKING = re.compile(r"</?(?:\w+:)?think(?:ing)?>")


class ReplyForm(NamedTuple):
    """What a template writes around a reply, and what ends one."""

    opened: str
    """Thinking that the prompt leaves open, such as `<think>` and a line break; mostly nothing."""
    header: str
    """What comes between the prompt and a reply, such as a channel's name; mostly nothing."""
    end: str
    """The turn's own end, such as `<end_of_turn>`."""
    end_ids: tuple[int, ...]
    ends: frozenset[int]
    """Tokens each of which ends the model's turn: the template's, the tokenizer's, the model's."""
    in_parts: bool
    """Whether messages are shown only as lists of parts, as by templates that take images."""
    frame: str
    """Everything the template writes around a question and its reply."""

    def reply(self, answer: str) -> str:
        """What a model is to write behind the prompt to have given this answer, without the end.

        Each tag is there once: thinking that the prompt opened is not opened again, and is closed
        where the answer has none.
        """
        opening, closing = ("<think>", "</think>")
        if self.opened:
            opening = self.opened.strip()
            closing = f"</{opening[1:]}"
            if (kept := self.unopened(answer)) != answer:
                return kept
        if closing in answer and opening not in answer.partition(closing)[0]:
            return answer if self.opened else f"{self.header}{opening}\n{answer}"
        return f"{closing}\n\n{answer}" if self.opened else self.header + answer

    def unopened(self, text: str) -> str:
        """`text` without the opening tag that the prompt has already written."""
        tag, body = self.opened.strip(), text.lstrip()
        if not tag or not body.startswith(tag):
            return text
        return body[len(tag) :].removeprefix(self.opened[len(tag) :])

    def cut(self, ids: Sequence[int]) -> tuple[list[int], bool]:
        """Token ids of a reply without what ends it, and whether anything did."""
        place = next((place for place, token in enumerate(ids) if token in self.ends), None)
        used, last = list(ids[:place]), list(self.end_ids[:-1])
        if place is not None and last and used[-len(last) :] == last:
            used = used[: -len(last)]
        return used, place is not None


_FORMS: WeakKeyDictionary[Any, dict[str, ReplyForm]] = WeakKeyDictionary()


def reply_form(
    tokenizer: PreTrainedTokenizerBase, options: Mapping[str, Any] | None = None
) -> ReplyForm:
    """How replies begin and end; raises ConfigError for a template that shows no messages.

    `options` are extra variables for the template.
    """
    forms = _FORMS.setdefault(tokenizer, {})
    described = [tokenizer.chat_template, tokenizer.eos_token, dict(options or {})]
    key = json.dumps(described, default=str)
    if key not in forms:
        forms[key] = _look(tokenizer, dict(options or {}))
    return forms[key]


def _look(tokenizer: PreTrainedTokenizerBase, options: dict[str, Any]) -> ReplyForm:
    in_parts = ASKED not in _rendered(tokenizer, options, in_parts=False)
    prompt = _rendered(tokenizer, options, in_parts)
    before, question, begun = prompt.rpartition(ASKED)
    if not question:
        raise ConfigError("the chat template does not show what a user says: use another template")
    try:
        replied = _rendered(tokenizer, options, in_parts, REPLIED)
    except ConfigError:  # it takes no replies: there is nothing to see of how they end
        replied = prompt
    header, reply, after = replied.rpartition(ASKED)[2].partition(REPLIED)
    header = header.removeprefix(begun) if reply and header.startswith(begun) else ""
    end = _end(tokenizer, after)
    ids = tuple(tokenizer(end, add_special_tokens=False)["input_ids"]) if end else ()
    opened = OPENED.search(begun)
    return ReplyForm(
        opened=opened[0] if opened else "",
        header="" if opened or THINKING.search(header) else header,
        end=end,
        end_ids=ids,
        ends=frozenset({*ids[-1:], *_known_ends(tokenizer)}),
        in_parts=in_parts,
        frame=f"{before}\n{begun}\n{replied}".replace(ASKED, "\n"),
    )


def _rendered(
    tokenizer: PreTrainedTokenizerBase, options: dict[str, Any], in_parts: bool, reply: str = ""
) -> str:
    messages: list[dict[str, Any]] = [{"role": "user", "content": ASKED}]
    messages += [{"role": "assistant", "content": reply}] if reply else []
    shown = parts(messages) if in_parts else messages
    try:
        return str(
            tokenizer.apply_chat_template(
                shown, tokenize=False, add_generation_prompt=not reply, **options
            )
        )
    except Exception as error:  # a template is a program, and fails as it pleases
        raise ConfigError(f"the chat template cannot be rendered: {error}") from error


def parts(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages whose contents are lists of parts, with the text as the only one."""
    return [
        {**message, "content": [{"type": "text", "text": message["content"]}]}
        for message in messages
    ]


def _end(tokenizer: PreTrainedTokenizerBase, after: str) -> str:
    """The tokens that a template writes behind a reply; the tokenizer's own end if there are none.

    Those of one run: what follows white space, such as Phi's end of text, ends the conversation.
    """
    tokens = {token.content for token in tokenizer.added_tokens_decoder.values()}
    ordered = sorted(filter(str.strip, tokens), key=len, reverse=True)
    left = after = after.lstrip()
    while token := next((token for token in ordered if left.startswith(token)), ""):
        left = left[len(token) :]
    return after[: len(after) - len(left)] or str(tokenizer.eos_token or "")


def _known_ends(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """What ends a turn by the tokenizer, and by the generation_config beside it."""
    ends = {tokenizer.eos_token_id} | _generation_ends(str(tokenizer.name_or_path or ""))
    return {end for end in ends if isinstance(end, int)}


def _generation_ends(model: str) -> set[int]:
    """The ids in a model's generation_config, if it is on this machine."""
    from transformers.utils import cached_file

    if not model:
        return set()
    try:
        path = cached_file(model, "generation_config.json", local_files_only=True)
        with open(str(path), encoding="utf-8") as file:
            return as_ids(json.load(file).get("eos_token_id"))
    except (OSError, ValueError):  # there is none, or it is no model's name
        return set()


def as_ids(ids: int | Sequence[int] | None) -> set[int]:
    """The ids of a configuration, which may name none, one or several."""
    return set() if ids is None else {ids} if isinstance(ids, int) else set(ids)
