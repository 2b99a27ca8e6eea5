"""How a reward server listens, answers and refuses."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Literal, Self

from pydantic import Field, model_validator

from j1sdk.adapters.texts import TextOptions
from j1sdk.errors import ConfigError
from j1sdk.judge import JudgeRewardModel


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
