"""What each trainer sends and takes: the kind of component that knows it, and five of them.

The failure rule is the same for all, since none has a word for "unscored": a response
without a score is answered as `unscored` of the server's options says. With "error" that is HTTP
503 with Retry-After and no number at all; with the others it is a number, and
`j1_unscored_total` counts it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, StrictStr, model_validator

from j1sdk.adapters import openrlhf
from j1sdk.adapters.nemo_gym import group_of, item_of_body
from j1sdk.adapters.scores import Item, Outcome
from j1sdk.adapters.texts import item_of, item_of_text
from j1sdk.catalogue import catalogue
from j1sdk.component import Component
from j1sdk.errors import ConfigError
from j1sdk.server.options import Serve


class Request(BaseModel):
    """A request's fields. What a trainer adds to it in its next version is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    group: StrictStr = ""
    """Which cohort its responses belong to, beside their prompts; a header or the URL may say it
    as well."""


class Dialect(Component):
    """A trainer's words: one route of the server, what is asked there and how it is answered."""

    kind: ClassVar[str] = "dialects"
    path: ClassVar[str]
    request: ClassVar[type[Request]]
    title: ClassVar[str] = ""
    """What the trainer is called."""
    hint: ClassVar[str] = ""
    """How the trainer is told of the server, where `{url}` is the route's; `j1 serve` prints it."""

    @abstractmethod
    def items(self, request: Any, options: Serve) -> list[Item]:
        """The responses to score; raises DataError, which is answered with 422."""

    @abstractmethod
    def answer(self, request: Any, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        """The JSON the trainer takes: a reward per item, and how it came about."""


def dialects() -> list[Dialect]:
    """All that are installed; raises ConfigError where two have one path."""
    kinds: list[type[Any]] = [
        catalogue().find("dialects", name) for name in catalogue().names("dialects")
    ]
    paths = [kind.path for kind in kinds]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        names = " and ".join(kind.name for kind in kinds if kind.path == twice)
        raise ConfigError(f"the dialects {names} both answer at {twice}: uninstall one")
    return [kind() for kind in kinds]


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


class Verified(Request):
    """A rollout of NeMo Gym's, with the row's own fields; all of it is sent back."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, body: Any) -> Any:
        """Its group is that of the task."""
        return {"group": group_of(body), **body} if isinstance(body, dict) else body


class NeMoGym(Dialect):
    """`/verify` of a resources server: a rollout in OpenAI's Responses, and back with a reward."""

    name: ClassVar[str] = "nemo-gym"
    path: ClassVar[str] = "/verify"
    request: ClassVar[type[Request]] = Verified
    title: ClassVar[str] = "NeMo Gym"

    def items(self, request: Verified, options: Serve) -> list[Item]:
        return [item_of_body(request.model_dump(exclude={"group"}), options.show_thinking)]

    def answer(
        self, request: Verified, rewards: Sequence[float], outcomes: Sequence[Outcome]
    ) -> Any:
        return {**request.model_dump(exclude={"group"}), "reward": rewards[0]}
