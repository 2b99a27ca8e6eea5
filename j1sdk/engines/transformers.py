"""A model on this machine, through Hugging Face transformers: CPU or GPU, micro-batched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, PrivateAttr

from j1sdk.component import ModelName
from j1sdk.engines import Engine, cut_after
from j1sdk.engines.batching import Batcher
from j1sdk.engines.chat import (
    encode_chat,
    load_tokenizer,
    require_chat_template,
    reserved_tokens,
)
from j1sdk.errors import ConfigError, EngineError, MissingExtraError
from j1sdk.types import Completion, Conversation, Sampling

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class _Request(NamedTuple):
    ids: list[int]
    budget: int
    """New tokens that fit both the sampling's limit and the context."""
    sampling: Sampling


class Transformers(Engine):
    """A causal language model and its tokenizer, loaded when first asked."""

    name: ClassVar[str] = "transformers"
    incidental: ClassVar[frozenset[str]] = frozenset({"batch_size", "device"})
    model: ModelName
    """A directory, or the name of a model on the Hugging Face hub."""
    adapter: ModelName | None = None
    """A LoRA adapter (peft) to put on the model."""
    device: str = "auto"
    """`auto` is the GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the weights in memory; `auto` is as they were saved."""
    batch_size: int = Field(default=64, ge=1)
    """Conversations generated together, at most."""
    context: int | None = Field(default=None, ge=1)
    """Tokens of prompt and completion together; the model's own limit unless given."""
    template_options: dict[str, Any] = {}
    """Extra variables for the chat template, such as enable_thinking."""
    _loaded: Any = PrivateAttr(default=None)

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        ids = encode_chat(self._tokenizer, conversation, **self.template_options)
        budget = min(sampling.max_new_tokens, self._context - len(ids))
        if budget < 1:
            return Completion(text="", finish_reason="length", prompt_tokens=len(ids))
        return await self._batcher.submit(_Request(ids, budget, sampling))

    @cached_property
    def reserved(self) -> frozenset[str]:
        return reserved_tokens(self._tokenizer)

    def save(self, directory: Path) -> Engine:
        """Weights (any adapter merged in) and tokenizer, as plain transformers reads them."""
        model = self._model.merge_and_unload() if self.adapter else self._model
        model.save_pretrained(directory)
        self._tokenizer.save_pretrained(directory)
        return self.model_copy(update={"model": str(directory), "adapter": None})

    async def close(self) -> None:
        if "_batcher" in self.__dict__:
            self._batcher.close()

    @classmethod
    def around(
        cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any
    ) -> Transformers:
        """An engine around a model that is already in memory, such as one in training."""
        engine = cls(model=model.name_or_path or "in-memory", **options)
        require_chat_template(tokenizer, engine.model)
        engine._loaded = (model, tokenizer)
        return engine

    @property
    def _model(self) -> PreTrainedModel:
        return self._load()[0]

    @property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return self._load()[1]

    def _load(self) -> Any:
        if self._loaded is None:
            self._loaded = load_model(self)
        return self._loaded

    @cached_property
    def _context(self) -> int:
        limit = getattr(self._model.config, "max_position_embeddings", None)
        return self.context or limit or 4096

    @cached_property
    def _batcher(self) -> Batcher[_Request, Completion]:
        return Batcher(
            run=self._generate,
            key=lambda request: (request.budget, _shared(request.sampling)),
            length=lambda request: len(request.ids),
            batch_size=self.batch_size,
        )

    def _generate(self, requests: Sequence[_Request]) -> list[Completion]:
        import torch

        from j1sdk.engines.sampling import sampler

        sampling, was_training = requests[0].sampling, self._model.training
        try:
            inputs = self._padded([request.ids for request in requests])
            with torch.inference_mode():
                written = self._model.eval().generate(
                    **inputs, do_sample=False, max_new_tokens=requests[0].budget,
                    logits_processor=sampler([request.sampling for request in requests]),
                    stop_strings=list(sampling.stop) or None, tokenizer=self._tokenizer,
                    pad_token_id=self._pad, temperature=None, top_p=None, top_k=None,
                )  # fmt: skip
        except Exception as error:  # models raise what they like, from OSError to IndexError
            raise EngineError(f"{self.model} failed while generating: {error}") from error
        finally:
            self._model.train(was_training)
        new = written[:, inputs["input_ids"].shape[1] :]
        return [self._read(ids, request) for ids, request in zip(new, requests, strict=True)]

    def _padded(self, rows: Sequence[list[int]]) -> dict[str, torch.Tensor]:
        """Rows of one width; by hand, as many tokenizers name no token to pad with."""
        import torch

        width = max(map(len, rows))
        ids = [[self._pad] * (width - len(row)) + row for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
        return {name: tensor.to(self._model.device) for name, tensor in inputs.items()}

    @property
    def _pad(self) -> int:
        known = (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id)
        return next((token for token in known if isinstance(token, int)), 0)

    def _read(self, written: torch.Tensor, request: _Request) -> Completion:
        """Tokens up to the end-of-turn token, which is not part of the text.

        A row that ended at a stop string is padded up to the longest of its batch.
        """
        ids = written.tolist()
        ends = _as_set(self._model.generation_config.eos_token_id) | {self._tokenizer.eos_token_id}
        end = next((place for place, token in enumerate(ids) if token in ends), None)
        used = ids if end is None else ids[:end]
        text = str(self._tokenizer.decode(used, skip_special_tokens=False))
        at_string = any(stop in text for stop in request.sampling.stop)
        while at_string and used and used[-1] == self._pad:
            used.pop()
        return Completion(
            text=cut_after(text, request.sampling.stop),
            finish_reason="stop" if at_string or end is not None else "length",
            prompt_tokens=len(request.ids),
            completion_tokens=len(used) + (end is not None and not at_string),
        )


def _shared(sampling: Sampling) -> Sampling:
    """What requests in one batch must have in common; the sampler looks after the rest."""
    return Sampling(stop=sampling.stop)


def _as_set(ids: int | list[int] | None) -> set[int]:
    return set() if ids is None else {ids} if isinstance(ids, int) else set(ids)


def load_model(engine: Transformers) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and tokenizer an engine names; raises ConfigError where they cannot be opened."""
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "transformers") from error
    tokenizer, device = load_tokenizer(engine.model), engine.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = AutoModelForCausalLM.from_pretrained(engine.model, dtype=engine.dtype)
    except Exception as error:  # a damaged file fails as its own library pleases
        raise ConfigError(f"cannot open {engine.model} as a model: {error}") from error
    if engine.adapter:
        model = _with_adapter(model, engine.adapter)
    return model.to(device).eval(), tokenizer


def _with_adapter(model: PreTrainedModel, adapter: str) -> PreTrainedModel:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtraError("peft", "trl") from error
    return PeftModel.from_pretrained(model, adapter)
