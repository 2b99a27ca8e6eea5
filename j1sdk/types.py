"""The values that flow through j1sdk. No behaviour beyond what they are; no heavy import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, FiniteFloat, model_validator

from j1sdk.component import Value
from j1sdk.messages import Conversation as Conversation
from j1sdk.messages import Message as Message
from j1sdk.messages import as_conversation

Scores = tuple[float, ...]
"""One score per response *shown*, in the order shown."""


def as_reference(value: Any) -> Any:
    """A rubric, which is a list of criteria with their weights, as the text that formats read."""
    rubric = isinstance(value, list | tuple) and all(isinstance(one, Mapping) for one in value)
    return json.dumps(value, ensure_ascii=False) if rubric and value else value


class JudgmentTask(Value):
    """A prompt and the responses to be judged, with whatever is known about them."""

    prompt: Conversation = Field(min_length=1)
    responses: tuple[str, ...] = Field(min_length=1)
    preferred: int | None = Field(default=None, ge=0, strict=True)
    """Index of the gold response, where known."""
    reference: Annotated[str | None, BeforeValidator(as_reference)] = None
    """A reference answer, shown by formats that have a place for it; or a rubric, as JSON."""
    ratings: tuple[FiniteFloat, ...] | None = None
    """How good each response is, or by how much the preferred one wins, where known.

    All responses with the highest rating are gold; where that is every response, gold is a tie.
    """
    subset: str | None = None
    id: str = ""
    """Unique within a run; a digest of the content unless given."""

    if TYPE_CHECKING:  # the forms that validation takes; type checkers see only the fields

        def __init__(
            self,
            *,
            prompt: str | Sequence[Message | Mapping[str, Any]],
            responses: Sequence[str],
            preferred: int | None = None,
            reference: str | Sequence[Mapping[str, Any]] | None = None,
            ratings: Sequence[float] | None = None,
            subset: str | None = None,
            id: str = "",
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _give_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("id"):
            keys = ("responses", "preferred", "reference", "subset")
            known = {key: data.get(key) for key in keys}
            known |= {"ratings": data["ratings"]} if data.get("ratings") else {}
            known["prompt"] = as_conversation(data.get("prompt"))
            text = json.dumps(known, sort_keys=True, default=_plain)
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            return {**data, "id": digest[:16]}
        return data

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.preferred is not None and self.preferred >= len(self.responses):
            raise ValueError(
                f"preferred is {self.preferred}, but there are {len(self.responses)} responses"
            )
        if self.ratings is not None and len(self.ratings) != len(self.responses):
            raise ValueError(f"ratings {self.ratings} are not one for each response")
        rated = self.ratings or (0.0,) * len(self.responses)
        if self.preferred is not None and rated[self.preferred] < max(rated):
            raise ValueError(f"preferred is {self.preferred}, but ratings say {rated}")
        return self

    @property
    def golds(self) -> tuple[int, ...]:
        """Indices of all gold responses: with ratings, of those rated highest."""
        if self.ratings is None:
            return () if self.preferred is None else (self.preferred,)
        return tuple(place for place, one in enumerate(self.ratings) if one == max(self.ratings))

    @property
    def contests(self) -> list[tuple[int, int]]:
        """Each gold response with each other one, by index; none without gold, or where all are."""
        others = [place for place in range(len(self.responses)) if place not in self.golds]
        return [(gold, other) for gold in self.golds for other in others]

    @property
    def tied(self) -> bool:
        """Whether gold says that no response is better than another."""
        return len(self.responses) > 1 and len(self.golds) == len(self.responses)

    @classmethod
    def from_pair(
        cls, prompt: str | Conversation, chosen: str, rejected: str, **known: Any
    ) -> JudgmentTask:
        """A task whose first response is the better one."""
        return cls(prompt=prompt, responses=(chosen, rejected), preferred=0, **known)


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, Value) else str(value)


class Presentation(Value):
    """What one judgment is shown: some of a task's responses, in some order."""

    task: JudgmentTask
    order: tuple[int, ...] = Field(min_length=1)

    @property
    def prompt(self) -> Conversation:
        return self.task.prompt

    @property
    def responses(self) -> tuple[str, ...]:
        """The responses in the order shown."""
        return tuple(self.task.responses[index] for index in self.order)

    @property
    def gold(self) -> int | None:
        """Place of the preferred response among those shown; None if unknown or not shown."""
        preferred = self.task.preferred
        return self.order.index(preferred) if preferred in self.order else None


def presentations(task: JudgmentTask, arity: int, both_orders: bool = True) -> list[Presentation]:
    """All presentations of a task: (0,1) and (1,0) pairwise, (0,) and (1,) pointwise."""
    places = range(len(task.responses))
    if arity == 1:
        return [Presentation(task=task, order=(place,)) for place in places]
    orders = [(first, second) for first in places for second in places if first < second]
    swapped = [(second, first) for first, second in orders] if both_orders else []
    return [Presentation(task=task, order=order) for order in (*orders, *swapped)]


class Sampling(Value):
    """How a completion is drawn."""

    temperature: float = Field(default=0.0, ge=0.0)
    """0 is greedy."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """Draw from the likeliest tokens that have this probability together; 1 is all of them."""
    max_new_tokens: int = Field(default=2048, ge=1)
    """Length of a completion, at most."""
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Generation ends when one of these is written; it stays in the text."""
    seed: int | None = None
    """With a seed, a completion does not depend on what else is in the batch."""
    top_logprobs: int = Field(default=0, ge=0, le=20)
    """The likeliest tokens told at every place of a completion, for probabilities of an answer."""


class Usage(Value):
    """What judging cost, in engine calls and tokens."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


class Token(NamedTuple):
    """A token that was written, and those that could have been in its place."""

    text: str
    logprob: float
    """Natural logarithm of its probability at temperature 1, as all here."""
    alternatives: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens there, which may include it, each with its log-probability."""


class Completion(Value):
    """What an engine wrote."""

    text: str
    """What was written, without what was asked."""
    finish_reason: Literal["stop", "length"] = "stop"
    """`length` when a token limit or the context ended it."""
    server_reason: str = ""
    """What a server calls the end of it, where that is another word."""
    prompt_tokens: int = 0
    """Tokens of what was asked."""
    completion_tokens: int = 0
    """Tokens of what was written."""
    opened: str = ""
    """What the rendered prompt had begun of the answer, such as `<think>`; not in `text`."""
    tokens: tuple[Token, ...] = ()
    """What it is made of, where the sampling asks for `top_logprobs`."""

    @property
    def whole(self) -> str:
        """The answer with what the prompt had begun of it."""
        return self.opened + self.text

    @property
    def usage(self) -> Usage:
        return Usage(
            calls=1, prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens
        )


class JudgmentStatus(StrEnum):
    """How a judgment ended. A tie is `ok` with equal scores."""

    OK = "ok"
    UNPARSEABLE = "unparseable"
    TRUNCATED = "truncated"
    OUT_OF_RANGE = "out_of_range"
    ENGINE_ERROR = "engine_error"


class Judgment(Value):
    """One presentation judged."""

    task_id: str
    order: tuple[int, ...]
    scores: Scores | None
    """One per response shown, in the order shown; None unless the status is `ok`."""
    status: JudgmentStatus
    detail: str = ""
    """Why there are no scores."""
    transcript: tuple[Message, ...] = ()
    """The whole conversation with the judge."""
    rounds: tuple[Scores | None, ...] = ()
    """For formats that reach a verdict several times: each of them, None where unreadable."""
    probabilities: tuple[dict[str, float], ...] = ()
    """Of each answer that could have been given, where they are known: a verdict's, or each
    score's in the order written. What is missing from 1 went to no answer."""
    samples: tuple[Judgment, ...] = ()
    """What test-time scaling drew and added up to this; empty where one was enough."""
    usage: Usage = Usage()

    @property
    def text(self) -> str:
        """What the judge wrote last."""
        written = [message.content for message in self.transcript if message.role == "assistant"]
        return written[-1] if written else ""

    @property
    def ok(self) -> bool:
        return self.status is JudgmentStatus.OK

    def score_of(self, response: int) -> float | None:
        """The score of a response by its index in the task; None if not shown or failed."""
        if self.scores is None or response not in self.order:
            return None
        return self.scores[self.order.index(response)]

    def verdict(self) -> int | None:
        """Index in the task of the response with the strictly highest score; None on a tie."""
        return winner(self.scores, self.order) if self.scores else None


def winner(scores: Sequence[float | None], names: Sequence[int] | None = None) -> int | None:
    """Index (or name) of the strictly highest score; None for a tie or where one is missing."""
    known = [score for score in scores if score is not None]
    if len(known) < len(scores) or not known or known.count(max(known)) > 1:
        return None
    place = known.index(max(known))
    return place if names is None else names[place]


class JudgeResult(Value):
    """All judgments of one task and what they add up to."""

    task: JudgmentTask
    judgments: tuple[Judgment, ...]
    scores: tuple[float | None, ...]
    """Mean score per response, in the task's order; None where a needed judgment failed."""

    @property
    def preferred(self) -> int | None:
        """The response the judge prefers; None on a tie or where a judgment failed."""
        return winner(self.scores)

    @property
    def consistent(self) -> bool | None:
        """Whether both orders gave one strict verdict; None unless both were shown and read."""
        read = [judgment for judgment in self.judgments if judgment.ok and len(judgment.order) > 1]
        if len({judgment.order for judgment in read}) < 2 or len(read) < len(self.judgments):
            return None
        verdicts = {judgment.verdict() for judgment in read}
        return len(verdicts) == 1 and None not in verdicts

    @property
    def usage(self) -> Usage:
        return sum((judgment.usage for judgment in self.judgments), Usage())
