"""What a trainer sends and takes over HTTP: the kind of component that knows it.

A framework's dialect lies beside its adapter.

The failure rule is the same for all, since none has a word for "unscored": a response
without a score is answered as `unscored` of the server's options says. With "error" that is HTTP
503 with Retry-After and no number at all; with the others it is a number, and
`j1_unscored_total` counts it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, StrictStr

from j1sdk.adapters.scores import Item, Outcome
from j1sdk.adapters.texts import TextOptions
from j1sdk.catalogue import catalogue
from j1sdk.component import Component
from j1sdk.errors import ConfigError


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
    def items(self, request: Any, options: TextOptions) -> list[Item]:
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
