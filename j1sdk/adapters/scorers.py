"""Who scores a policy's responses: a judge in this process, or one behind `j1 serve`.

Both can be pickled, work in forked processes, and answer on whichever event loop asks: frameworks
start a fresh loop for every batch, and call from many threads.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from j1sdk.adapters.scores import Item, Outcome, score_together
from j1sdk.background import on_background
from j1sdk.component import Value
from j1sdk.engines.chat import messages
from j1sdk.engines.opened import Opened
from j1sdk.errors import ConfigError, EngineError
from j1sdk.judge import JudgeRewardModel

if TYPE_CHECKING:
    from j1sdk.engines.openai_client import Client

CONCURRENCY, RETRIES = 256, 12
_outcomes: TypeAdapter[list[Outcome]] = TypeAdapter(list[Outcome])


class Scorer(Value):
    """Scores responses to one prompt."""

    @abstractmethod
    async def score(self, items: Sequence[Item]) -> list[Outcome]:
        """The outcome of each of some responses to one prompt.

        A judge that compares ranks them among each other, unless each has a reference answer to be
        compared with. A failure is an Outcome without a score, and never raised.
        """

    @abstractmethod
    async def compares(self) -> bool:
        """Whether the judge compares two responses, and so needs a whole group or a reference.

        Raises EngineError where a server does not say.
        """

    async def gathers(self) -> bool:
        """Whether responses that are asked for one by one are put together with their group's."""
        return False

    @property
    def label(self) -> str:
        """What logs call the reward."""
        return "judge"


class OwnJudge(Scorer):
    """A judge in this process."""

    judge: JudgeRewardModel

    async def score(self, items: Sequence[Item]) -> list[Outcome]:
        return await on_background(score_together(self.judge, items))

    async def compares(self) -> bool:
        return self.judge.format.arity > 1

    @property
    def label(self) -> str:
        return "judge_" + self.judge.format.name.replace("-", "_")


class ServedJudge(Scorer):
    """A judge behind `j1 serve`, asked at `/v1/score`.

    A server out of reach is tried again until the deadline, and then its responses have no score.
    """

    url: str
    """Of the server, such as http://localhost:8000."""
    token_env: str | None = None
    """The environment variable that holds the token it asks for."""
    deadline: float = Field(default=170.0, gt=0)
    """Seconds for a request with all its attempts; longer than the server's own deadline."""
    _client: ClassVar[Opened[ServedJudge, Client]] = Opened(lambda judge: judge._connect())
    """Used on the background loop alone."""

    @field_validator("url")
    @classmethod
    def _is_root(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{url!r} should be like http://localhost:8000, as `j1 serve` shows")
        return url.rstrip("/")

    async def score(self, items: Sequence[Item]) -> list[Outcome]:
        try:
            return await on_background(self._ask(items))
        except EngineError as error:
            return [Outcome(None, "judgment", f"engine_error: {self.url}: {error}")] * len(items)

    async def compares(self) -> bool:
        return bool((await self._model())["arity"] > 1)

    async def gathers(self) -> bool:
        return bool((await self._model()).get("cohort"))

    async def _model(self) -> dict[str, Any]:
        """What the server says of its judge; raises EngineError."""
        try:
            return await on_background(self._described())
        except EngineError as error:
            raise EngineError(f"{self.url}: {error}") from error

    async def _ask(self, items: Sequence[Item]) -> list[Outcome]:
        body = {"items": [written(item) for item in items], "group": items[0].group}
        return await self._client.post(f"{self.url}/v1/score", body, read_outcomes)

    async def _described(self) -> dict[str, Any]:
        client = self._client
        return await client.once("judge", lambda: client.get(f"{self.url}/v1/models", read_model))

    def _connect(self) -> Client:
        from j1sdk.engines.openai_client import Access, Client, Limits

        limits = Limits(CONCURRENCY, self.deadline, self.deadline, RETRIES)
        access = Access(self.url, self._token(), url_option="url", key_option="token_env")
        return Client(access, limits)

    def _token(self) -> str:
        if self.token_env is None:
            return ""
        if not (token := os.environ.get(self.token_env, "").strip()):
            raise ConfigError(f"the environment variable {self.token_env} holds no token: set it")
        return token


def written(item: Item) -> dict[str, Any]:
    """An item as `/v1/score` reads it."""
    fields = {"response": item.response, "reference": item.reference}
    return {"prompt": messages(item.prompt), **fields}


def read_outcomes(answer: Any) -> list[Outcome]:
    """What `/v1/score` answers; raises EngineError."""
    try:
        return _outcomes.validate_python(answer["outcomes"])
    except (KeyError, TypeError, ValidationError) as error:
        raise EngineError("it answers /v1/score unlike `j1 serve` of this version") from error


def read_model(answer: Any) -> dict[str, Any]:
    """What `/v1/models` says of the one judge; raises EngineError."""
    try:
        (model,) = answer["data"]
        return {"arity": int(model["arity"]), **model}
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError("it answers /v1/models unlike `j1 serve` of this version") from error
