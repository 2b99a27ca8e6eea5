"""Stands in for OpenRLHF's engine: token ids and vLLM's parameters in, vLLM's answers out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

Answer = Callable[[str, int], str | Exception]
"""What is written for a prompt, and for which call it is."""


class Engine:
    """Writes what it is told to, in vLLM's shape."""

    def __init__(
        self, tokenizer: Any, answer: Answer, delay: float = 0.0, end: int | None = None
    ) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._tokenizer, self._answer, self._delay = tokenizer, answer, delay
        self._end = tokenizer.eos_token_id if end is None else end

    async def generate(self, ids: list[int], params: Any) -> Any:
        text = self._tokenizer.decode(ids, skip_special_tokens=False)
        self.asked.append((text, params))
        answer = self._answer(text, len(self.asked) - 1)
        await asyncio.sleep(self._delay * random.random())
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(outputs=[self._written(answer, params)])

    def _written(self, answer: str, params: Any) -> Any:
        ends = [answer.index(stop) + len(stop) for stop in params.stop if stop in answer]
        ids = self._tokenizer(answer[: min(ends, default=None)])["input_ids"]
        ids += [] if ends else [self._end]
        kept = ids[: params.max_tokens]
        known = [{token: SimpleNamespace(logprob=-0.5)} for token in kept]
        return SimpleNamespace(
            token_ids=tuple(kept),
            finish_reason="length" if len(kept) < len(ids) else "stop",
            logprobs=None if params.logprobs is None else known,
        )


def params(**changes: Any) -> Any:
    known: dict[str, Any] = {
        "max_tokens": None,
        "logprobs": None,
        "stop": [],
        "include_stop_str_in_output": False,
    }
    return SimpleNamespace(**(known | changes))
