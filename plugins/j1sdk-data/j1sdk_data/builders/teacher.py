"""What builders that ask a teacher share: an engine, and how it is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Self

from pydantic import model_validator

from j1sdk.engines import Engine
from j1sdk.quoting import encodable, quote
from j1sdk.types import Completion, Conversation, Sampling
from j1sdk_data.builders import Builder, Item

END_OF_THOUGHT = "</think>"


class Taught(Builder):
    """A builder that has a teacher write."""

    engine: Engine
    """The teacher."""
    sampling: Sampling = Sampling(temperature=0.7, top_p=0.9, max_new_tokens=4096, seed=0)
    """Self-Taught Evaluator's settings (its generation script), with a seed."""

    @model_validator(mode="after")
    def _accept(self) -> Self:
        self.engine.accept(self.sampling)
        return self

    async def ask(self, item: Item, conversation: Conversation, number: int = 0) -> Completion:
        """The teacher's answer, without its thinking; each number of an item has its own seed.

        Raises EngineError.
        """
        seed = seed_of(self.sampling.seed, item, number)
        sampling = self.sampling.model_copy(update={"seed": seed})
        written = await self.engine.complete(conversation, sampling)
        answer = encodable(written.text.rpartition(END_OF_THOUGHT)[2].strip())
        return written.model_copy(update={"text": answer})


def quoted(prompt: Conversation, markers: Iterable[str]) -> Conversation:
    """The prompt with no marker in it, to be answered as it stands."""
    markers = frozenset(markers)
    return tuple(
        message.model_copy(update={"content": quote(message.content, markers)})
        for message in prompt
    )


def seed_of(seed: int | None, item: Item, number: int) -> int | None:
    """A seed of its own for each item and sample: with one, all would be drawn alike."""
    if seed is None:
        return None
    named = f"{seed} {item.id} {number}"
    return int.from_bytes(
        hashlib.sha256(named.encode("utf-8", "surrogatepass")).digest()[:4], "big"
    )
