"""vLLM's route for reward models that are classifiers, for clients that know no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import uuid4

from pydantic import StrictStr

from j1sdk.adapters.dialects import Dialect, Request
from j1sdk.adapters.scores import Item, Outcome
from j1sdk.adapters.texts import TextOptions, item_of, item_of_text


class Inputs(Request):
    """What is to be classified: rendered texts, or pairs of prompt and response."""

    input: StrictStr | list[StrictStr | tuple[StrictStr, StrictStr]]
    model: str = ""


class Route(Dialect):
    """vLLM's `/classify`, as clients of a reward model there use it: `data[-1].probs[-1]`."""

    name: ClassVar[str] = "classify"
    path: ClassVar[str] = "/classify"
    request: ClassVar[type[Request]] = Inputs

    def items(self, request: Inputs, options: TextOptions) -> list[Item]:
        inputs = [request.input] if isinstance(request.input, str) else request.input
        return [
            item_of_text(text, options) if isinstance(text, str) else item_of(*text, None, options)
            for text in inputs
        ]

    def answer(self, request: Inputs, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        tokens = round(sum(outcome.tokens for outcome in outcomes))
        data = [
            {"index": index, "label": "reward", "probs": [reward], "num_classes": 1}
            for index, reward in enumerate(rewards)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        named = {"id": f"classify-{uuid4().hex}", "object": "list", "model": request.model}
        return {**named, "data": data, "usage": usage}
