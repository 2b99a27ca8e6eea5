"""A model on this machine through vLLM: continuous batching, prefix caching, several GPUs.

vLLM runs the model in processes of its own, which import the script that started them: guard it
with `if __name__ == "__main__":`. What vLLM offers beyond the fields here goes into `options`.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import ref

from pydantic import Field, field_validator

from j1sdk.background import on_background
from j1sdk.engines import Engine
from j1sdk.engines.model import ModelEngine
from j1sdk.engines.opened import Opened
from j1sdk.engines.transformers import Transformers
from j1sdk.errors import ConfigError, EngineError, J1Error, MissingExtraError, did_you_mean
from j1sdk.types import Completion, Conversation, Sampling, Token

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

OWN_FIELDS = {
    "model": "model",
    "dtype": "dtype",
    "max_model_len": "context",
    "tensor_parallel_size": "tensor_parallel_size",
    "gpu_memory_utilization": "gpu_memory_utilization",
    "enforce_eager": "enforce_eager",
}
"""Arguments of vLLM's engine, and the fields here that give them."""
HARMLESS = frozenset(
    (
        "block_size",
        "cpu_offload_gb",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "kv_cache_dtype",
        "max_num_batched_tokens",
        "max_num_seqs",
        "pipeline_parallel_size",
        "quantization",
        "seed",
        "swap_space",
    )
)
"""Options that only say how a model is computed: neither what else is loaded nor from where."""
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM makes room for."""
HOTTEST = 2.0
"""The highest temperature that vLLM takes."""


class VLLM(ModelEngine):
    """A causal language model in an engine of vLLM's, started when first asked.

    A forked child starts an engine of its own.
    """

    name: ClassVar[str] = "vllm"
    incidental: ClassVar[frozenset[str]] = frozenset(
        {"tensor_parallel_size", "gpu_memory_utilization", "enforce_eager"}
    )
    tensor_parallel_size: int = Field(default=1, ge=1)
    """GPUs that share the model."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0.0, le=1.0)
    """Share of the memory to take, on CPUs too; vLLM's own unless given."""
    enforce_eager: bool = False
    """Start sooner and run slower: nothing is compiled."""
    options: dict[str, Any] = {}
    """Further arguments of vLLM's AsyncEngineArgs, such as quantization."""
    _server: ClassVar[Opened[VLLM, _Server]] = Opened(
        lambda engine: _Server(engine.replace()), lambda server: server.abandon()
    )

    @field_validator("options")
    @classmethod
    def _leave_fields_alone(cls, options: dict[str, Any]) -> dict[str, Any]:
        for key in options.keys() & OWN_FIELDS.keys():
            raise ValueError(f"{key!r} has a field of its own: set `{OWN_FIELDS[key]}`")
        return options

    def needs_trust(self, folder: Path) -> list[str]:
        doubtful = sorted(self.options.keys() - HARMLESS)
        given = [f"is given {', '.join(doubtful)}, which may run code"] if doubtful else []
        return [*super().needs_trust(folder), *given]

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        ids = self.encode(conversation)
        written = await on_background(self._complete(ids, sampling))
        return written.model_copy(update={"opened": self.form.opened})

    def accept(self, sampling: Sampling) -> None:
        if sampling.temperature > HOTTEST:
            raise ConfigError(f"vLLM takes no temperature above {HOTTEST}: lower it")

    def save(self, directory: Path) -> Engine:
        """Weights (any adapter merged in) and tokenizer, written by way of transformers."""
        source = Transformers(model=self.model, adapter=self.adapter, device="cpu")
        source.save(directory)
        return self.replace(model=str(directory), adapter=None)

    async def close(self) -> None:
        await on_background(self._close())

    async def _complete(self, ids: list[int], sampling: Sampling) -> Completion:
        return await self._server.complete(ids, sampling)

    async def _close(self) -> None:
        await self._server.close()


class _Server:
    """The AsyncLLM of an engine.

    It belongs to the event loop that first uses it; so everything here runs on the background
    loop, which outlives those of callers.
    """

    def __init__(self, engine: VLLM) -> None:
        self._engine = engine
        self._starting: asyncio.Future[AsyncLLM] | None = None
        self._numbers = count()
        self._asked: set[str] = set()
        self._closed = False

    async def complete(self, ids: list[int], sampling: Sampling) -> Completion:
        llm = await self.started()
        budget = min(sampling.max_new_tokens, llm.model_config.max_model_len - len(ids))
        if budget < 1:
            return Completion(text="", finish_reason="length", prompt_tokens=len(ids))
        try:
            return read(await self._generate(llm, ids, sampling, budget))
        except EngineError:
            self._require_open()  # closing is the better explanation
            raise

    async def close(self) -> None:
        """End the engine's process; what it was asked and has not answered fails."""
        self._closed = True
        if self._starting is None:
            return
        with suppress(J1Error):  # one that never started was reported to those who asked
            llm = await self._starting
            await llm.abort(list(self._asked))
            await asyncio.to_thread(stop, llm)

    def abandon(self) -> None:
        """When nothing asks any more; vLLM ends the process of what is garbage by itself."""
        if (starting := self._starting) and starting.done() and not starting.exception():
            silence(starting.result())

    async def started(self) -> AsyncLLM:
        """The engine, started if need be; raises ConfigError where it cannot be."""
        self._require_open()
        if self._starting is None:
            self._starting = asyncio.ensure_future(asyncio.to_thread(start, self._engine))
        return await asyncio.shield(self._starting)

    def _require_open(self) -> None:
        if self._closed:
            raise EngineError(f"the engine of {self._engine.model} is closed: make a new VLLM")

    async def _generate(
        self, llm: AsyncLLM, ids: list[int], sampling: Sampling, budget: int
    ) -> RequestOutput:
        """The only output of a request; cancelling it stops the engine's work on it too."""
        name = f"j1-{next(self._numbers)}"
        self._asked.add(name)
        try:
            prompt, lora = {"type": "token", "prompt_token_ids": ids}, self._lora
            params = sampling_params(sampling, budget)
            async for output in llm.generate(prompt, params, name, lora_request=lora):
                written = output
        except Exception as error:  # from a validation error to the death of the process
            raise EngineError(self._explain(llm, error)) from error
        finally:
            self._asked.discard(name)
        return written

    def _explain(self, llm: AsyncLLM, error: Exception) -> str:
        if not llm.errored:
            return f"{self._engine.model} failed while generating: {error.__cause__ or error}"
        return (
            f"vLLM's process for {self._engine.model} has ended; what it printed last says why."
            " If memory ran out, lower `context` or `gpu_memory_utilization`; then make a new VLLM"
        )

    @cached_property
    def _lora(self) -> Any:
        if self._engine.adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        return LoRARequest("adapter", 1, self._engine.adapter)


def start(engine: VLLM) -> AsyncLLM:
    """The running engine; raises ConfigError where it does not start."""
    # a forked process would inherit the locks of our threads, some of them held
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    try:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError as error:
        raise MissingExtraError(error.name or "vllm", "vllm") from error
    asked, known = arguments(engine), {field.name for field in fields(AsyncEngineArgs)}
    for key in sorted(asked.keys() - known):
        raise ConfigError(f"vLLM has no option {key!r}{did_you_mean(key, known)}")
    try:
        llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**asked))
    except Exception as error:  # from a refused option to a process that could not start
        raise ConfigError(f"vLLM cannot open {engine.model}: {error}") from error
    atexit.register(stop_if_alive, ref(llm), os.getpid())
    return llm


def stop(llm: AsyncLLM) -> None:
    """End the process."""
    silence(llm)
    llm.shutdown()


def silence(llm: AsyncLLM) -> None:
    """Cancel the task that would log the end of the process as a failure."""
    if handler := llm.output_handler:
        handler.get_loop().call_soon_threadsafe(handler.cancel)


def stop_if_alive(llm: ref[AsyncLLM], process: int) -> None:
    """For scripts that end without closing the engine; a forked child leaves it to its parent."""
    if os.getpid() == process and (alive := llm()):
        stop(alive)


def arguments(engine: VLLM) -> dict[str, Any]:
    """What vLLM's AsyncEngineArgs are made with."""
    own = {argument: getattr(engine, name) for argument, name in OWN_FIELDS.items()}
    return {
        **{argument: value for argument, value in own.items() if value is not None},
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        **(adapter_arguments(engine.adapter) if engine.adapter else {}),
        **engine.options,
    }


def adapter_arguments(adapter: str) -> dict[str, Any]:
    """What makes room for an adapter of its rank; raises ConfigError where there is none."""
    path = Path(adapter, "adapter_config.json")
    try:
        rank = int(json.loads(path.read_text(encoding="utf-8"))["r"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{adapter} is not the directory of a LoRA adapter: {error}") from error
    room = next((known for known in LORA_RANKS if known >= rank), rank)
    return {"enable_lora": True, "max_lora_rank": room}


def sampling_params(sampling: Sampling, budget: int) -> SamplingParams:
    """The same, as vLLM says it; `read` puts back the stop string, so that no end-of-turn shows."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        max_tokens=budget,
        stop=list(sampling.stop),
        skip_special_tokens=False,
        logprobs=sampling.top_logprobs or None,
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,  # made for one request; a deep copy takes longer than all else here
    )


def read(written: RequestOutput) -> Completion:
    """What was written, up to and including a stop string; raises EngineError if it was broken."""
    (output,) = written.outputs
    if output.finish_reason not in ("stop", "length"):
        raise EngineError(f"vLLM gave the request up ({output.finish_reason}): ask again")
    stop = output.stop_reason if isinstance(output.stop_reason, str) else ""
    return Completion(
        text=output.text + stop,
        finish_reason=output.finish_reason,
        prompt_tokens=len(written.prompt_token_ids or ()),
        completion_tokens=len(output.token_ids),
        tokens=tuple(map(token_of, output.token_ids, output.logprobs or ())),
    )


def token_of(written: int, places: Mapping[int, Any]) -> Token:
    """A token and those that vLLM tells of in its place, by their ids."""
    likely = tuple((one.decoded_token or "", one.logprob) for one in places.values())
    chosen = places[written]
    return Token(chosen.decoded_token or "", chosen.logprob, likely)
