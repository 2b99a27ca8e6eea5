"""A causal language model that an engine opens on this machine, by whichever library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from j1sdk.component import ModelName
from j1sdk.engines import Engine
from j1sdk.engines.chat import encode_chat, load_tokenizer, reserved_tokens
from j1sdk.engines.opened import Opened
from j1sdk.engines.replies import ReplyForm, reply_form
from j1sdk.types import Conversation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class ModelEngine(Engine):
    """The options that such engines share, and the tokenizer."""

    model: ModelName
    """A directory, or the name of a model on the Hugging Face hub."""
    adapter: ModelName | None = None
    """The directory of a LoRA adapter (peft) to put on the model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the weights; `auto` is the one they are stored in."""
    context: int | None = Field(default=None, ge=1)
    """Tokens of prompt and completion together; the model's own limit unless given."""
    template_options: dict[str, Any] = {}
    """Extra variables for the chat template, such as enable_thinking."""
    _tokenizer: ClassVar[Opened[ModelEngine, PreTrainedTokenizerBase]] = Opened(
        lambda engine: engine.open_tokenizer()
    )
    _reserved: ClassVar[Opened[ModelEngine, frozenset[str]]] = Opened(
        lambda engine: reserved_tokens(engine._tokenizer)
    )

    @property
    def local(self) -> ModelEngine:
        return self

    @property
    def label(self) -> str:
        return self.model

    @property
    def reserved(self) -> frozenset[str]:
        return self._reserved

    def encode(self, conversation: Conversation) -> list[int]:
        """Token ids of what the model completes."""
        return encode_chat(self._tokenizer, conversation, **self.template_options)

    @property
    def form(self) -> ReplyForm:
        """How the chat template begins and ends a reply."""
        return reply_form(self._tokenizer, self.template_options)

    def open_tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer; raises ConfigError where it has none fit to judge with."""
        return load_tokenizer(self.model)
