"""A model that completes conversations.

An engine is asked for one completion at a time and may be asked for thousands at once; batching
is its own affair. A conversation that ends with an assistant message is continued, not answered:

    class Echo(Engine):
        name = "echo"

        async def complete(self, conversation, sampling):
            return Completion(text=conversation[-1].content)

`complete` raises `EngineError` for anything that keeps the model from answering; the driver makes
it a status. `reserved` are the strings the tokenizer takes for more than text.

An engine is its options. What it opens is kept beside it (`j1sdk.engines.opened`): a used engine
equals an unused one, pickles and copies like one, and works in a forked child.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from j1sdk.background import on_background
from j1sdk.component import Component
from j1sdk.engines.opened import Opened
from j1sdk.engines.told import Told
from j1sdk.lazy import lazy
from j1sdk.quoting import COMMON_SPECIAL_TOKENS
from j1sdk.types import Completion, Conversation, Sampling

if TYPE_CHECKING:
    from j1sdk.engines.cached import Cached
    from j1sdk.engines.model import ModelEngine
    from j1sdk.engines.openai import OpenAI
    from j1sdk.engines.scripted import Scripted
    from j1sdk.engines.transformers import Transformers
    from j1sdk.engines.vllm import VLLM

__all__ = ["VLLM", "Cached", "Engine", "OpenAI", "Scripted", "Transformers"]
__getattr__ = lazy(__name__)


class Engine(Component):
    """A model that completes conversations."""

    kind: ClassVar[str] = "engines"
    incidental: ClassVar[frozenset[str]] = frozenset()
    """Options that do not change what is written, such as a batch size."""
    _told: ClassVar[Opened[Engine, Told]] = Opened(lambda engine: Told())

    @abstractmethod
    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        """One completion, its text without what was continued; raises EngineError."""

    async def complete_once(self, conversation: Conversation, sampling: Sampling) -> Completion:
        """As `complete`, with one answer for all who ask the same in this process."""
        return await on_background(self._told.get(self.complete, (conversation, sampling)))

    @property
    def reserved(self) -> frozenset[str]:
        """Strings with a meaning to the tokenizer; broken where judged text contains them."""
        return COMMON_SPECIAL_TOKENS

    @property
    def continues(self) -> bool:
        """Whether a conversation that ends with an assistant message is continued."""
        return True

    @property
    def identity(self) -> dict[str, Any]:
        """The options that decide what is written, for caches."""
        return self.model_dump(mode="json", exclude=set(self.incidental))

    @property
    def local(self) -> ModelEngine | None:
        """This engine, or the one it asks, if it opens a model on this machine; None if not."""
        return None

    @property
    def label(self) -> str:
        """What its model is called, for people to read; empty where there is no name."""
        return ""

    def accept(self, sampling: Sampling) -> None:
        """Raise ConfigError for a sampling this engine cannot honour."""

    def save(self, directory: Path) -> Engine:
        """Put the weights, if any, into `directory`; the engine a run file there should name."""
        return self

    async def close(self) -> None:
        """Let go of the model, workers and connections."""


def cut_after(text: str, stops: Sequence[str]) -> str:
    """The text up to and including the stop string that comes first."""
    ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text
