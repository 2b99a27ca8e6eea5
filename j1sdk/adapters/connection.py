"""The file from which a framework's own process opens its adapter; `j1 connect` writes it.

    [adapter]
    name = "verl"
    unscored = "group"

    [judge]
    format = "pointwise"
    engine = { name = "openai", model = "my-judge", base_url = "http://localhost:8001/v1" }

With a `url` in [adapter], the judge is one behind `j1 serve`, and there is no [judge].
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from j1sdk.adapters import Adapter
from j1sdk.adapters.scorers import Scorer
from j1sdk.component import Value
from j1sdk.errors import ConfigError
from j1sdk.judge import JudgeRewardModel
from j1sdk.runfile import read_value

FILE_VARIABLE = "J1_CONNECTION"
"""The environment variable that names the file, where the framework's own options cannot."""


class Connection(Value):
    """An adapter and the judge it asks."""

    adapter: Adapter
    """The framework's adapter, with its options."""
    judge: JudgeRewardModel | None = None
    """The judge, unless the adapter has the `url` of one."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        name = self.adapter.name
        if (self.judge is None) == (self.adapter.url is None):
            raise ConfigError(f"the {name} adapter takes either a judge or the `url` of a server")
        if self.judge and self.adapter.one_per_worker and self.judge.engine.local:
            raise ConfigError(
                f"{self.adapter.title or name} opens its reward in several processes, and each"
                " would load the judge's weights: start `j1 serve RUN_FILE`, and connect with"
                f" `j1 connect {name} --url http://HOST:PORT --to DIR`"
            )
        return self

    @property
    def scorer(self) -> Scorer:
        """Who scores."""
        return self.adapter.scorer(self.judge)


def open_connection(kind: type[Adapter], file: str | Path | None = None) -> Connection:
    """The connection in `file`, or in the one that J1_CONNECTION names; raises ConfigError.

    The same object for the same file, as frameworks ask once for each sample.
    """
    named = str(file or os.environ.get(FILE_VARIABLE, ""))
    if not named:
        raise ConfigError(
            f"no connection file: run `j1 connect {kind.name} RUN_FILE --to DIR`, and set"
            f" {FILE_VARIABLE} to the file it writes"
        )
    connection = _opened(named)
    if not isinstance(connection.adapter, kind):
        raise ConfigError(f"{named} connects {connection.adapter.name}, not {kind.name}")
    return connection


def reward_function(file: str | Path) -> Any:
    """What the framework of a connection file takes for a reward; raises ConfigError."""
    connection = open_connection(Adapter, file)
    return connection.adapter.reward_function(connection.scorer)


@cache
def _opened(file: str) -> Connection:
    return read_value(Connection, Path(file))
