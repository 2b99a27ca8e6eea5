"""A transformers model in memory, asked in batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self

from j1sdk.engines import cut_after
from j1sdk.engines.batching import Batcher
from j1sdk.engines.replies import ReplyForm, as_ids
from j1sdk.errors import ConfigError, EngineError
from j1sdk.types import Completion, Sampling

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class InMemory:
    """A model and tokenizer that the caller has in memory; equal to itself alone.

    Copies share the model. Another process cannot have it, so it does not pickle.
    """

    model: Any
    tokenizer: Any

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise ConfigError(
            "a model that is only in this process's memory cannot be sent to another: save the"
            " judge to a folder, and load it from there"
        )


class Request(NamedTuple):
    """A prompt, and what may be written behind it."""

    ids: list[int]
    budget: int
    """New tokens that fit both the sampling's limit and the context."""
    sampling: Sampling


class Weights:
    """A model with its tokenizer and the thread that batches what it is asked."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        form: ReplyForm,
        name: str,
        batch_size: int,
    ) -> None:
        """`form` is the template's, to which the model adds its own ends; `name` is for errors."""
        self.model, self.tokenizer, self._name = model, tokenizer, name
        self._texts: dict[int, str] = {}
        self._form = form._replace(ends=form.ends | as_ids(model.generation_config.eos_token_id))
        self._batcher = Batcher(
            run=self._generate,
            key=lambda request: (
                request.budget,
                request.sampling.stop,
                request.sampling.top_logprobs,
            ),
            length=lambda request: len(request.ids),
            batch_size=batch_size,
        )
        use_one_thread_if_forked()

    @property
    def context(self) -> int:
        """Tokens of prompt and completion that the model was made for."""
        return getattr(self.model.config, "max_position_embeddings", None) or 4096

    async def complete(self, request: Request) -> Completion:
        """A completion; raises EngineError for what the model raises."""
        return await self._batcher.submit(request)

    def close(self) -> None:
        """End the thread after the batch it is at; what still waits is cancelled."""
        self._batcher.close()

    def _generate(self, requests: Sequence[Request]) -> list[Completion]:
        import torch

        from j1sdk.engines.sampling import Recorder, sampler

        sampling, was_training = requests[0].sampling, self.model.training
        told = Recorder(sampling.top_logprobs, self._decode) if sampling.top_logprobs else None
        try:
            inputs = self._padded([request.ids for request in requests])
            with torch.inference_mode():
                written = self.model.eval().generate(
                    **inputs,
                    do_sample=False,
                    max_new_tokens=requests[0].budget,
                    logits_processor=sampler([request.sampling for request in requests], told),
                    stop_strings=list(sampling.stop) or None,
                    tokenizer=self.tokenizer,
                    pad_token_id=self._pad,
                    eos_token_id=sorted(self._form.ends),
                    temperature=None,
                    top_p=None,
                    top_k=None,
                )
        except Exception as error:  # models raise what they like, from OSError to IndexError
            raise EngineError(f"{self._name} failed while generating: {error}") from error
        finally:
            self.model.train(was_training)
        new = written[:, inputs["input_ids"].shape[1] :]
        made = [self._read(ids, request) for ids, request in zip(new, requests, strict=True)]
        if told is None:
            return made
        return [
            one.replace(tokens=told.tokens(written, row, one.completion_tokens))
            for row, one in enumerate(made)
        ]

    def _decode(self, token: int) -> str:
        if token not in self._texts:
            self._texts[token] = str(self.tokenizer.decode([token], skip_special_tokens=False))
        return self._texts[token]

    def _padded(self, rows: Sequence[list[int]]) -> dict[str, torch.Tensor]:
        """Rows of one width; by hand, as many tokenizers name no token to pad with."""
        import torch

        width = max(map(len, rows))
        ids = [[self._pad] * (width - len(row)) + row for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
        return {name: tensor.to(self.model.device) for name, tensor in inputs.items()}

    @property
    def _pad(self) -> int:
        tokens = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id)
        return next((token for token in tokens if isinstance(token, int)), 0)

    def _read(self, written: torch.Tensor, request: Request) -> Completion:
        """Tokens up to the end-of-turn token, which is not part of the text.

        A row that ended at a stop string is padded up to the longest of its batch.
        """
        used, ended = self._form.cut(written.tolist())
        text = str(self.tokenizer.decode(used, skip_special_tokens=False))
        at_string = any(stop in text for stop in request.sampling.stop)
        while at_string and used and used[-1] == self._pad:
            used.pop()
        return Completion(
            text=cut_after(text, request.sampling.stop),
            finish_reason="stop" if at_string or ended else "length",
            prompt_tokens=len(request.ids),
            completion_tokens=len(used) + (ended and not at_string),
            opened=self._form.opened,
        )


_computed_in: set[int] = set()
"""This process and its ancestors, as far as models were opened in them."""


def use_one_thread_if_forked() -> None:
    """Compute with one thread where the parent of a forked child has computed already.

    OpenMP's threads do not survive a fork, and its next parallel loop waits for them for ever.
    """
    import torch

    if _computed_in - {os.getpid()}:
        torch.set_num_threads(1)
    _computed_in.add(os.getpid())
