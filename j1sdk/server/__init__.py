"""The reward server: a judge over HTTP, in the words of each trainer.

    j1 serve run.toml                        # or, beside your own code:

    from j1sdk.server import Serve, served

    with served(judge, Serve(port=0)) as server:
        print(server.url)

A request goes `gate` (token, origin, size) -> `app` (its route) -> a dialect (what it asks) ->
`desk` (who else asks the same, cohorts, the deadline) -> the judge, and back. FastAPI, uvicorn and
the Prometheus client are the extra `serve`, loaded when a server is opened.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictStr, model_validator

from j1sdk.adapters.scores import Item, Outcome
from j1sdk.adapters.texts import TextOptions
from j1sdk.catalogue import catalogue
from j1sdk.component import Component
from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk.judge import JudgeRewardModel
    from j1sdk.server.running import RewardServer

__all__ = ["Dialect", "Request", "RewardServer", "Serve", "dialects", "open_server", "served"]
__getattr__ = lazy(__name__)


class Serve(TextOptions):
    """How a reward server listens, answers and refuses: the `[serve]` table of a run file."""

    host: str = "127.0.0.1"
    """Where to listen; 0.0.0.0 is every network, and asks for `token_env`."""
    port: int = Field(default=8000, ge=0, le=65535)
    """0 is any free port."""
    unscored: Literal["error", "group", "neutral", "floor"] = "error"
    """What a trainer gets for a response without a score: HTTP 503, so that it asks again; the mean
    of its cohort; 0.5; 0.

    The trainers' routes have no word for "unscored", so there is no "drop". By default no number
    is made up; whoever would rather train on one than stop says which.
    """
    deadline: float = Field(default=150.0, gt=0)
    """Seconds a request may take; shorter than the client's own (OpenRLHF's is 180)."""
    cohort: int | None = Field(default=None, ge=2)
    """Rollouts per prompt that a pairwise judge waits for, ranks together and answers together."""
    cohort_wait: float = Field(default=60.0, gt=0)
    """Seconds after which a cohort that is not whole is ranked as it is."""
    max_pending: int = Field(default=4096, ge=1)
    """Responses judged at once; more are refused with 429 until some are answered."""
    max_body: int = Field(default=16 * 2**20, ge=1)
    """Bytes of a request."""
    body_wait: float = Field(default=30.0, gt=0)
    """Seconds that a request may take to arrive."""
    max_chars: int = Field(default=400_000, ge=1)
    """Characters of one prompt, response or reference."""
    token_env: str | None = None
    """The environment variable that holds the token clients have to show."""
    warm_up: bool = True
    """Ask the engine for a few tokens at the start, and be ready only once it has answered."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.token_env and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} can be reached from other machines: set token_env to the name"
                " of an environment variable that holds a token"
            )
        if self.cohort and self.cohort > self.max_pending:
            raise ValueError(f"a cohort of {self.cohort} needs a max_pending of as many")
        if self.cohort and self.cohort_wait >= self.deadline:
            raise ValueError("cohort_wait has to leave time to judge before the deadline")
        return self

    def check(self, judge: JudgeRewardModel) -> None:
        """Raise ConfigError for what cannot work with this judge."""
        if self.cohort and judge.format.arity == 1:
            raise ConfigError(
                f"{judge.format.name} scores each response by itself, so there is nothing to"
                " gather: leave out `cohort`"
            )
        if self.unscored == "group" and not self.cohort:
            raise ConfigError(
                'unscored = "group" is the mean of a cohort, and without `cohort` there is none:'
                ' set it, or choose "neutral", "floor" or "error"'
            )

    def token(self) -> str | None:
        """The token clients have to show, if any; raises ConfigError where it is not set."""
        if self.token_env is None:
            return None
        if not (token := os.environ.get(self.token_env)):
            raise ConfigError(f"the environment variable {self.token_env} holds no token: set it")
        return token


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on this host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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


def open_server(judge: JudgeRewardModel, options: Serve) -> RewardServer:
    """A server that listens, and answers once it runs; raises ConfigError."""
    try:
        from j1sdk.server.running import RewardServer
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "serve") from error
    return RewardServer(judge, options)


def served(
    judge: JudgeRewardModel, options: Serve | None = None
) -> AbstractContextManager[RewardServer]:
    """A server beside the caller's own code, until the `with` block ends; raises ConfigError."""
    server = open_server(judge, options or Serve(port=0))
    return server.beside()
