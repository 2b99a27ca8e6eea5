"""What each trainer sends and takes.

The failure rule is the same for all four, since none has a word for "unscored": a response
without a score is answered as `unscored` of the server's options says. With "error" that is HTTP
503 with Retry-After and no number at all; with the others it is a number, and
`j1_unscored_total` counts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import uuid4

from pydantic import StrictStr

from j1sdk.adapters import openrlhf
from j1sdk.adapters.scores import Item, Outcome
from j1sdk.adapters.texts import item_of, item_of_text
from j1sdk.server import Dialect, Request, Serve


class Samples(Request):
    """OpenRLHF's samples, column by column."""

    query: list[StrictStr]
    prompts: list[StrictStr]
    labels: list[Any] = []


class OpenRLHF(Dialect):
    """`--reward.remote_url`: texts with all special tokens, one sample at a time.

    It asks five times, 1 s apart, whatever the error, and then training ends.
    """

    name: ClassVar[str] = "openrlhf"
    path: ClassVar[str] = "/get_reward"
    request: ClassVar[type[Request]] = Samples
    title: ClassVar[str] = "OpenRLHF"
    hint: ClassVar[str] = "--reward.remote_url {url}"

    def items(self, request: Samples, options: Serve) -> list[Item]:
        return openrlhf.items_of(request.query, request.prompts, request.labels, options)

    def answer(
        self, request: Samples, rewards: Sequence[float], outcomes: Sequence[Outcome]
    ) -> Any:
        return openrlhf.answer(rewards, outcomes)


class Sample(Request):
    """One sample of slime's; the prompt is a text or messages."""

    prompt: StrictStr | list[Any]
    response: StrictStr
    label: Any = None


class Slime(Dialect):
    """`--rm-type remote_rm --rm-url`: the answer is the bare number. It asks ten times."""

    name: ClassVar[str] = "slime"
    path: ClassVar[str] = "/slime"
    request: ClassVar[type[Request]] = Sample
    title: ClassVar[str] = "slime"
    hint: ClassVar[str] = "--rm-type remote_rm --rm-url {url}"

    def items(self, request: Sample, options: Serve) -> list[Item]:
        return [item_of(request.prompt, request.response, request.label, options)]

    def answer(self, request: Sample, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        return rewards[0]


class Texts(Request):
    """Prompts and responses, each two as one text."""

    messages: list[StrictStr]


class LlamaFactory(Dialect):
    """`reward_model_type: api`: prompt and response as one text, and no label.

    Needs a pointwise judge, or cohorts. It neither retries nor looks at the status: an answer
    without `scores` ends its training.
    """

    name: ClassVar[str] = "llamafactory"
    path: ClassVar[str] = "/llamafactory"
    request: ClassVar[type[Request]] = Texts
    title: ClassVar[str] = "LLaMA-Factory"
    hint: ClassVar[str] = "reward_model_type: api, reward_model: {url}"

    def items(self, request: Texts, options: Serve) -> list[Item]:
        return [item_of_text(text, options) for text in request.messages]

    def answer(self, request: Texts, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        return {"scores": rewards}


class Inputs(Request):
    """What is to be classified: rendered texts, or pairs of prompt and response."""

    input: StrictStr | list[StrictStr | tuple[StrictStr, StrictStr]]
    model: str = ""


class Classify(Dialect):
    """vLLM's `/classify`, as clients of a reward model there use it: `data[-1].probs[-1]`."""

    name: ClassVar[str] = "classify"
    path: ClassVar[str] = "/classify"
    request: ClassVar[type[Request]] = Inputs

    def items(self, request: Inputs, options: Serve) -> list[Item]:
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
