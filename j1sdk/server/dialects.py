"""What each trainer sends and takes: one class a route, its fields the request's.

The failure rule is the same for all four, since none has a word for "unscored": a response
without a score is answered as `unscored` of the server's options says. With "error" that is HTTP
503 with Retry-After and no number at all; with "neutral" or "floor" it is 0.5 or 0, and
`j1_unscored_total` counts it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, StrictStr

from j1sdk.server.labels import Label
from j1sdk.server.options import Serve
from j1sdk.server.outcomes import Item, Outcome, logged
from j1sdk.server.refusals import Unreadable
from j1sdk.server.rendered import after_prompt, asked, split
from j1sdk.types import Conversation, Message


class Dialect(BaseModel):
    """A request. What a trainer adds to it in its next version is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    path: ClassVar[str]

    @abstractmethod
    def items(self, options: Serve) -> list[Item]:
        """The responses to score; raises Unreadable."""

    @abstractmethod
    def answer(self, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        """The JSON the trainer takes: `rewards` are settled, `outcomes` how they came about."""


class OpenRLHF(Dialect):
    """`--reward.remote_url`: texts with all special tokens, one sample at a time.

    It asks five times, 1 s apart, whatever the error, and then training ends. The keys of
    `extra_logs` never vary, since it stacks them.
    """

    path: ClassVar[str] = "/get_reward"
    query: list[StrictStr]
    prompts: list[StrictStr]
    labels: list[Any] = []

    def items(self, options: Serve) -> list[Item]:
        labels = self.labels or [None] * len(self.query)
        if not len(self.query) == len(self.prompts) == len(labels):
            raise Unreadable("query, prompts and labels differ in length")
        return [
            item(prompt, after_prompt(query, prompt), label, options)
            for query, prompt, label in zip(self.query, self.prompts, labels, strict=True)
        ]

    def answer(self, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        made = [logged(outcome) for outcome in outcomes]
        logs = {key: [one[key] for one in made] for one in made[:1] for key in one}
        return {"rewards": rewards, "scores": rewards, "extra_logs": logs}


class Slime(Dialect):
    """`--rm-type remote_rm --rm-url`: the answer is the bare number. It asks ten times."""

    path: ClassVar[str] = "/slime"
    prompt: StrictStr | tuple[Message, ...]
    response: StrictStr
    label: Any = None

    def items(self, options: Serve) -> list[Item]:
        prompt = self.prompt
        conversation = said(asked(prompt, options)) if isinstance(prompt, str) else prompt
        if not conversation:
            raise Unreadable("prompt: no messages")
        return [Item(conversation, self.response, known(self.label, options))]

    def answer(self, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        return rewards[0]


class LlamaFactory(Dialect):
    """`reward_model_type: api`: prompt and response as one text, and no label.

    Needs a pointwise judge, or cohorts. It neither retries nor looks at the status: an answer
    without `scores` ends its training.
    """

    path: ClassVar[str] = "/llamafactory"
    messages: list[StrictStr]

    def items(self, options: Serve) -> list[Item]:
        return [cut(text, options) for text in self.messages]

    def answer(self, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        return {"scores": rewards}


class Classify(Dialect):
    """vLLM's `/classify`, as clients of a reward model there use it: `data[-1].probs[-1]`.

    An input is a rendered text, or a pair of prompt and response.
    """

    path: ClassVar[str] = "/classify"
    input: StrictStr | list[StrictStr | tuple[StrictStr, StrictStr]]
    model: str = ""

    def items(self, options: Serve) -> list[Item]:
        inputs = [self.input] if isinstance(self.input, str) else self.input
        return [
            cut(one, options) if isinstance(one, str) else Item(said(one[0]), one[1])
            for one in inputs
        ]

    def answer(self, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        tokens = round(sum(outcome.tokens for outcome in outcomes))
        data = [
            {"index": index, "label": "reward", "probs": [reward], "num_classes": 1}
            for index, reward in enumerate(rewards)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        named = {"id": f"classify-{uuid4().hex}", "object": "list", "model": self.model}
        return {**named, "data": data, "usage": usage}


DIALECTS: tuple[type[Dialect], ...] = (OpenRLHF, Slime, LlamaFactory, Classify)


def item(prompt: str, response: str, label: Any, options: Serve) -> Item:
    """A response with the prompt and the reference that a label of ours has, or any other label."""
    if told := Label.read(label):
        return Item(told.prompt, response, known(told.reference, options))
    return Item(said(asked(prompt, options)), response, known(label, options))


def said(prompt: str) -> Conversation:
    """The prompt as one user message."""
    return (Message(role="user", content=prompt),)


def cut(text: str, options: Serve) -> Item:
    """The item of a text that is prompt and response in one; raises Unreadable."""
    prompt, response = split(text, options)
    return Item(said(asked(prompt, options)), response)


def known(label: Any, options: Serve) -> str | None:
    """The label as a reference answer, if it is one: a text that is not empty, or a number."""
    if options.reference == "none" or isinstance(label, bool):
        return None
    return str(label) if isinstance(label, str | int | float) and label != "" else None
