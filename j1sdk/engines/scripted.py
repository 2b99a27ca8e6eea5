"""An engine that answers from a function or a list: for tests, dry runs and documentation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Annotated, ClassVar

from pydantic import Field, SkipValidation

from j1sdk.engines import Engine, cut_after
from j1sdk.engines.opened import Opened
from j1sdk.errors import EngineError
from j1sdk.types import Completion, Conversation, Sampling

Answer = str | Completion | Exception
Script = Callable[[Conversation, Sampling], Answer]


class Scripted(Engine):
    """Says what it is told to: `answers` in turn, or what `script` returns.

    An answer that is an exception is raised. With neither, or past the last answer, it raises
    EngineError, so a test cannot pass on answers nobody wrote. A text is cut at stop strings and
    the token limit, as a model's would be; a Completion is passed on as it is.
    """

    name: ClassVar[str] = "scripted"
    incidental: ClassVar[frozenset[str]] = frozenset({"latency"})
    answers: tuple[str, ...] = ()
    """What it says, in turn."""
    script: Annotated[Script | None, SkipValidation] = Field(default=None, exclude=True)
    """Called with a conversation and its sampling, in place of `answers`; never written down."""
    latency: float = Field(default=0.0, ge=0.0)
    """Seconds each completion takes."""
    _asked: ClassVar[Opened[Scripted, list[Conversation]]] = Opened(lambda engine: [])

    @property
    def asked(self) -> tuple[Conversation, ...]:
        """What this object was asked in this process, oldest first."""
        return tuple(self._asked)

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self._asked.append(conversation)
        answer = self._answer(len(self._asked) - 1, conversation, sampling)
        if self.latency:
            await asyncio.sleep(self.latency)
        if isinstance(answer, Exception):
            raise answer
        return _cut(answer, conversation, sampling) if isinstance(answer, str) else answer

    def _answer(self, turn: int, conversation: Conversation, sampling: Sampling) -> Answer:
        if self.script:
            return self.script(conversation, sampling)
        if turn < len(self.answers):
            return self.answers[turn]
        return EngineError(f"the script has {len(self.answers)} answers, and this is one more")


def _cut(answer: str, conversation: Conversation, sampling: Sampling) -> Completion:
    """The answer as far as the sampling lets a model write it. Words stand in for tokens."""
    asked = sum(len(message.content.split()) for message in conversation)
    words = re.findall(r"\s*\S+", answer)
    full = len(words) > sampling.max_new_tokens
    text = "".join(words[: sampling.max_new_tokens]) if full else answer
    stopped = any(stop in text for stop in sampling.stop)
    written = cut_after(text, sampling.stop)
    return Completion(
        text=written,
        finish_reason="length" if full and not stopped else "stop",
        prompt_tokens=asked,
        completion_tokens=len(written.split()),
    )
