"""A model on this machine, through Hugging Face transformers: CPU or GPU, micro-batched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, SkipValidation, model_validator

from j1sdk.engines import Engine
from j1sdk.engines.chat import load_tokenizer, require_chat_template
from j1sdk.engines.model import ModelEngine
from j1sdk.engines.opened import Opened
from j1sdk.engines.replies import reply_form
from j1sdk.engines.weights import InMemory, Request, Weights
from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.types import Completion, Conversation, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Transformers(ModelEngine):
    """A causal language model and its tokenizer, loaded when first asked.

    In a forked child the model is loaded anew and computes with one thread.
    """

    name: ClassVar[str] = "transformers"
    incidental: ClassVar[frozenset[str]] = frozenset({"batch_size", "device"})
    device: str = "auto"
    """`auto` is the GPU if there is one."""
    gguf_file: str | None = None
    """A GGUF file in the folder or repository that `model` names: opened with its numbers
    restored to full width, so that it can be trained and saved like any model."""
    batch_size: int = Field(default=64, ge=1)
    """Completions generated at once, at most."""
    in_memory: Annotated[InMemory | None, SkipValidation] = Field(
        default=None, exclude=True, repr=False
    )
    """A model that is in memory already, in place of the one named (`Transformers.around`)."""
    _weights: ClassVar[Opened[Transformers, Weights]] = Opened(
        lambda engine: engine._open(), Weights.close
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.in_memory and self.adapter:
            raise ValueError("a model in memory takes no adapter: put it on the model itself")
        if self.in_memory and self.gguf_file:
            raise ValueError("a model in memory takes no gguf_file: it has its weights already")
        return self

    @classmethod
    def around(
        cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any
    ) -> Transformers:
        """An engine around a model that is already in memory, such as one in training.

        It equals another only around the same objects, and cannot be sent to another process.
        """
        name = model.name_or_path or "in-memory"
        require_chat_template(tokenizer, name)
        return cls(model=name, in_memory=InMemory(model, tokenizer), **options)

    def replace(self, **changes: Any) -> Self:
        """A copy with other options; a `model` among them takes the place of one in memory."""
        if "model" in changes:
            changes = {"in_memory": None, "gguf_file": None, **changes}
        return super().replace(**changes)

    @property
    def identity(self) -> dict[str, Any]:
        """As any engine's; raises ConfigError for a model in memory, which only has a name."""
        if self.in_memory:
            raise ConfigError(
                f"{self.model} is only in memory, and may change there: save the judge to a folder,"
                " and load it from there"
            )
        return super().identity

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        ids, weights = self.encode(conversation), self._weights
        budget = min(sampling.max_new_tokens, (self.context or weights.context) - len(ids))
        if budget < 1:
            return Completion(text="", finish_reason="length", prompt_tokens=len(ids))
        return await weights.complete(Request(ids, budget, sampling))

    def save(self, directory: Path) -> Engine:
        """Weights (any adapter merged in) and tokenizer, as plain transformers reads them."""
        model, tokenizer = self._weights.model, self._weights.tokenizer
        merged = model.merge_and_unload() if self.adapter else model
        merged.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        return self.replace(model=str(directory), adapter=None)

    async def close(self) -> None:
        if weights := type(self)._weights.take(self):
            weights.close()

    def open_tokenizer(self) -> PreTrainedTokenizerBase:
        return self._weights.tokenizer

    def _open(self) -> Weights:
        given = self.in_memory
        model, tokenizer = (given.model, given.tokenizer) if given else load_model(self)
        form = reply_form(tokenizer, self.template_options)
        return Weights(model, tokenizer, form, self.model, self.batch_size)


def load_model(engine: Transformers) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and tokenizer an engine names; raises ConfigError where they cannot be opened."""
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "transformers") from error
    tokenizer, device = load_tokenizer(engine.model, engine.gguf_file), engine.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = AutoModelForCausalLM.from_pretrained(
            engine.model, dtype=engine.dtype, trust_remote_code=False, gguf_file=engine.gguf_file
        )
    except Exception as error:  # a damaged file fails as its own library pleases
        raise ConfigError(f"cannot open {engine.model} as a model: {error}") from error
    if engine.gguf_file:
        model = _unmarked(model)
    if engine.adapter:
        model = _with_adapter(model, engine.adapter)
    return model.to(device).eval(), tokenizer


def _unmarked(model: PreTrainedModel) -> PreTrainedModel:
    """The same weights in a model that does not take itself for quantized, and so can be saved."""
    from transformers import AutoModelForCausalLM

    config, generation = model.config, model.generation_config
    del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=model.dtype)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = generation
    return plain


def _with_adapter(model: PreTrainedModel, adapter: str) -> PreTrainedModel:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtraError("peft", "trl") from error
    return PeftModel.from_pretrained(model, adapter)
