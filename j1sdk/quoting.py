"""Keep text that is judged from being read as anything but text.

A response may contain the tags a judge answers with, the lines that fence responses in its
prompt, or the special tokens of its chat template. All of them are broken with one space after
their first letter before a format ever sees the response: `<|im_end|>` becomes `< |im_end|>`.
A space is kept by every tokenizer; an invisible character is not (some normalizers drop it).
Lone surrogates, which JSON can spell and no tokenizer takes, become U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from j1sdk.types import Presentation

_BAR, _GAP = "\uff5c", "\u2581"  # DeepSeek's tokens are spelt with these look-alikes
COMMON_SPECIAL_TOKENS = frozenset(
    {
        *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>"),
        *("<|eot_id|>", "<|eom_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|end|>"),
        *("<|system|>", "<|user|>", "<|assistant|>", "<|start|>", "<|channel|>", "<|message|>"),
        *("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<pad>", "<s>", "</s>"),
        *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<think>", "</think>", "<tool_call>"),
        *("<image>", "<|image|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>"),
        *(f"<{_BAR}{word}{_BAR}>" for word in ("User", "Assistant")),
        *(f"<{_BAR}{edge}{_GAP}of{_GAP}sentence{_BAR}>" for edge in ("begin", "end")),
    }
)
"""For engines whose tokenizer is out of sight, as it is behind HTTP."""


def breakable(markers: Iterable[str]) -> frozenset[str]:
    """The markers that a space can break: some vocabularies list runs of spaces and letters."""
    return frozenset(marker for marker in markers if len(marker.strip()) > 1)


def quote(text: str, markers: Iterable[str]) -> str:
    """`text` with no marker left in it, in any letter case."""
    pattern = _any_of(frozenset(markers))
    while (broken := pattern.sub(_with_space, text)) != text:
        text = broken  # breaking one marker can leave another that overlapped it
    return text


@lru_cache(maxsize=64)
def _any_of(markers: frozenset[str]) -> re.Pattern[str]:
    """Matches any marker that can be broken, the longest first; nothing if there is none."""
    longest_first = sorted(breakable(markers), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)", re.IGNORECASE)


def _with_space(match: re.Match[str]) -> str:
    marker = match[0]
    first = len(marker) - len(marker.lstrip())  # a space before it would leave " x" in "  x"
    return f"{marker[: first + 1]} {marker[first + 1 :]}"


def quote_presentation(shown: Presentation, markers: Iterable[str]) -> Presentation:
    """The presentation with prompt, responses and reference quoted."""
    markers, task = frozenset(markers), shown.task
    prompt = [
        message.model_copy(update={"content": quote(encodable(message.content), markers)})
        for message in task.prompt
    ]
    changed = {
        "prompt": tuple(prompt),
        "responses": tuple(quote(encodable(response), markers) for response in task.responses),
        "reference": task.reference and quote(encodable(task.reference), markers),
    }
    return shown.model_copy(update={"task": task.model_copy(update=changed)})


def encodable(text: str) -> str:
    """`text` with U+FFFD for lone surrogates, which no file and no tokenizer takes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
