"""Keep text that is judged from being read as anything but text.

A response may contain the tags a judge answers with, the lines that fence responses in its
prompt, or the special tokens of its chat template. All of them are broken with one space after
their first letter before a format ever sees the response: `<|im_end|>` becomes `< |im_end|>`.
A space is kept by every tokenizer; an invisible character is not (some normalizers drop it).
Lone surrogates, which JSON can spell and no tokenizer takes, become U+FFFD.

The lines that fence responses hold no nonce. One would end look-alike fences, but make every prompt
another text: caches and recordings, which go by the prompt, would never hit, engines would share
no prefix from the first fence on, and a trained judge would see fences it was never trained on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from j1sdk.types import JudgmentTask, Presentation

_BAR, _GAP = "\uff5c", "\u2581"  # DeepSeek's tokens are spelt with these look-alikes
COMMON_SPECIAL_TOKENS = frozenset(
    {
        *("<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|endoftext|>", "<|fim_prefix|>"),
        *("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>"),
        *("<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>", "<|end|>", "<|return|>"),
        *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "<|tool|>", "<|call|>"),
        *("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|turn>", "<turn|>"),
        *("<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>"),
        *("<|USER_TOKEN|>", "<|SYSTEM_TOKEN|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"),
        *("<|START_THINKING|>", "<|END_THINKING|>", "<end_of_utterance>", "<|end_of_role|>"),
        *("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<pad>", "<s>", "</s>", "<unk>"),
        *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
        *("[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]"),
        *("[/TOOL_RESULTS]", "[THINK]", "[/THINK]", "<think>", "</think>", "<tool_call>"),
        *("</tool_call>", "<tool_response>", "</tool_response>", "<|tool_call|>"),
        *("<image>", "<|image|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>"),
        *(f"<{_BAR}{word}{_BAR}>" for word in ("User", "Assistant")),
        *(f"<{_BAR}{edge}{_GAP}of{_GAP}sentence{_BAR}>" for edge in ("begin", "end")),
    }
)
"""For engines whose tokenizer is out of sight, as it is behind HTTP, and besides for all others."""
WINDOW = 65_536
"""Characters looked at in one go."""
NOT_SHOWN = "(not shown)"
"""What stands for the responses of a task that one presentation leaves out."""
Places = Callable[[str], list[int]]
"""Where in a text a tokenizer sees control tokens begin."""


class Reserved(frozenset[str]):
    """The strings that a tokenizer takes for control, and a look at how it reads a text.

    The look is for tokenizers that see a control token in other spellings too.
    """

    places: Places | None = None

    def __new__(cls, words: Iterable[str] = (), places: Places | None = None) -> Reserved:
        made = super().__new__(cls, words)
        made.places = places
        return made


def breakable(markers: Iterable[str]) -> frozenset[str]:
    """The markers that a space can break: some vocabularies list runs of spaces and letters."""
    return frozenset(marker for marker in markers if len(marker.strip()) > 1)


def quote(text: str, markers: Iterable[str]) -> str:
    """`text` with no marker left in it, in any letter case; in time linear in the text."""
    pattern = _beginnings(words := frozenset(markers))
    longest = max(map(len, words), default=0)
    while ends := _ends(text, pattern, longest):
        text = " ".join(text[begin:end] for begin, end in pairwise([0, *ends, len(text)]))
    return text  # more than one round: a space put in can make a marker that has one in that place


def _ends(text: str, pattern: re.Pattern[str], longest: int) -> list[int]:
    """Where the pattern's matches end.

    In windows, between which other threads can run: `re` lets none while it looks at a text.
    """
    return sorted(
        {
            match.end()
            for start in range(0, len(text), WINDOW)
            for match in pattern.finditer(text, start, start + WINDOW + longest)
        }
    )


@lru_cache(maxsize=64)
def _beginnings(markers: frozenset[str]) -> re.Pattern[str]:
    """Matches a marker up to its first letter where the rest follows; nothing if there is none."""
    root: dict[str, Any] = {}
    for marker in breakable(markers):
        node = root
        for letter in marker.lower():
            node = node.setdefault(letter, {})
        node[""] = {}  # here a marker ends
    return re.compile(_first_letter(root) or r"(?!)", re.IGNORECASE)


def _first_letter(node: dict[str, Any]) -> str:
    """Through white space up to a letter; a space before it would leave " x" in "  x"."""
    return "|".join(
        f"{re.escape(letter)}(?:{_first_letter(rest)})"
        if letter.isspace()
        else f"{re.escape(letter)}(?={_rest(rest)})"
        for letter, rest in node.items()
    )


def _rest(node: dict[str, Any]) -> str:
    """What must follow for any marker to be there; beginnings that are shared are shared here."""
    run = ""
    while len(node) == 1 and "" not in node:
        ((letter, node),) = node.items()
        run += re.escape(letter)
    if "" in node:  # whatever goes on from here begins with a whole marker
        return run
    return run + f"(?:{'|'.join(re.escape(letter) + _rest(rest) for letter, rest in node.items())})"


def _unseen(text: str, places: Places) -> str:
    """`text` in which the tokenizer sees no control token; for spellings that `quote` cannot know.

    Where a space is no help, as for a normalizer that drops it, the letter goes.
    """
    for put in (" ", " ", " ", "\ufffd"):
        if not (seen := places(text)):
            break
        for place in sorted(set(seen), reverse=True):
            begin = place + len(text[place:]) - len(text[place:].lstrip())
            kept = text[begin] if put == " " else ""
            text = f"{text[:begin]}{kept}{put}{text[begin + 1 :]}"
    return text


class _Quoter:
    """Quotes the texts of one task, each of them once."""

    def __init__(self, markers: frozenset[str], places: Places | None) -> None:
        self._markers, self._places = markers, places
        self._quoted: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        if text not in self._quoted:
            quoted = quote(encodable(text), self._markers)
            self._quoted[text] = _unseen(quoted, self._places) if self._places else quoted
        return self._quoted[text]


_QUOTERS: WeakKeyDictionary[JudgmentTask, dict[Any, _Quoter]] = WeakKeyDictionary()
"""Gone with their task. Many presentations show the same texts, and both orders do."""


def quote_presentation(
    shown: Presentation, markers: Iterable[str], reserved: Iterable[str] = ()
) -> Presentation:
    """The presentation with prompt, reference and the responses that it shows quoted.

    `reserved` are an engine's strings; see `Reserved`.
    """
    task, places = shown.task, getattr(reserved, "places", None)
    every = frozenset(markers) | frozenset(reserved)
    quoter = _QUOTERS.setdefault(task, {}).setdefault((every, places), _Quoter(every, places))
    prompt = [
        message.model_copy(update={"content": quoter(message.content)}) for message in task.prompt
    ]
    changed = {
        "prompt": tuple(prompt),
        "responses": tuple(
            quoter(response) if place in shown.order else NOT_SHOWN
            for place, response in enumerate(task.responses)
        ),
        "reference": task.reference and quoter(task.reference),
    }
    return shown.model_copy(update={"task": task.model_copy(update=changed)})


def encodable(text: str) -> str:
    """`text` with U+FFFD for lone surrogates, which no file and no tokenizer takes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
