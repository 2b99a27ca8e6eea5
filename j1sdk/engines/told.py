"""What several judgments ask alike, such as the criteria for a request, an engine is asked once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from j1sdk.sharing import Sharing
from j1sdk.types import Completion, Conversation, Sampling

Question = tuple[Conversation, Sampling]
Complete = Callable[[Conversation, Sampling], Coroutine[Any, Any, Completion]]
REMEMBERED = 1024
"""Answers kept: more than there are prompts at work at once."""


class Told:
    """An engine's answers to such questions. Used on the background loop."""

    def __init__(self) -> None:
        self._made: dict[Question, Completion] = {}
        self._asked = Sharing[Question, Completion]()

    async def get(self, complete: Complete, question: Question) -> Completion:
        """The answer, asked for if it is not there or on its way; a failure is not kept."""
        if made := self._made.get(question):
            return made
        first = question not in self._asked
        paid = await self._asked.get(question, partial(complete, *question))
        free = paid.model_copy(update={"prompt_tokens": 0, "completion_tokens": 0})
        self._made[question] = free
        while len(self._made) > REMEMBERED:
            del self._made[next(iter(self._made))]
        return paid if first else free  # what it cost is told of one judgment, and not of all
