"""The reward server: a judge over HTTP, in the words of each trainer.

    j1 serve run.toml                        # or, beside your own code:

    from j1sdk.server import Serve, served

    with served(judge, Serve(port=0)) as server:
        print(server.url)

A request goes `gate` (token, origin, size) -> `app` (its route) -> a dialect (what it asks) ->
`desk` (who else asks the same, cohorts, the deadline) -> the judge, and back. Starlette, uvicorn
and the Prometheus client are the extra `serve`, loaded when a server is opened.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from j1sdk.adapters.dialects import Dialect, Request
from j1sdk.errors import MissingExtraError
from j1sdk.lazy import lazy
from j1sdk.server.options import Serve

if TYPE_CHECKING:
    from j1sdk.judge import JudgeRewardModel
    from j1sdk.server.running import RewardServer

__all__ = ["Dialect", "Request", "RewardServer", "Serve", "open_server", "served"]
__getattr__ = lazy(__name__)


def open_server(judge: JudgeRewardModel, options: Serve) -> RewardServer:
    """A server that listens, and answers once it runs; raises ConfigError."""
    try:
        from j1sdk.server.running import RewardServer
    except ImportError as error:
        raise MissingExtraError(error.name or "starlette", "serve") from error
    return RewardServer(judge, options)


def served(
    judge: JudgeRewardModel, options: Serve | None = None
) -> AbstractContextManager[RewardServer]:
    """A server beside the caller's own code, until the `with` block ends; raises ConfigError."""
    server = open_server(judge, options or Serve(port=0))
    return server.beside()
