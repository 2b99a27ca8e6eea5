"""A reward server as OpenRLHF asks it, asked before a training that would need it."""

from __future__ import annotations

from j1sdk.background import run
from j1sdk.errors import ConfigError, MissingExtraError

CONNECT_SECONDS, SECONDS = 10.0, 180.0
"""For a server to be there, and to answer: OpenRLHF waits as long, and a busy one is not gone."""
NOTHING: dict[str, list[str]] = {"query": [], "prompts": [], "labels": []}
"""A request that asks for no score: its answer tells that the address and the token are right."""


def check_server(url: str) -> None:
    """Raise ConfigError where no server answers, or where it refuses what OpenRLHF will ask."""
    status, told = run(_ask(url))
    if status is None or status >= 502:
        raise ConfigError(
            f"no reward server answers at {url} ({told}): start it first, with `j1 serve`"
        )
    if 400 <= status < 500:
        raise ConfigError(
            f"the server at {url} refuses to score (HTTP {status}: {told}): give the address that"
            " `j1 serve` prints for OpenRLHF, with its token if it has one"
        )


def is_gone(url: str) -> bool:
    """Whether no server answers there any more."""
    status, _ = run(_ask(url))
    return status is None or status >= 502


async def _ask(url: str) -> tuple[int | None, str]:
    """The status of an answer and what it said; None and the reason where there was none."""
    try:
        from aiohttp import ClientError, ClientSession, ClientTimeout
    except ImportError as error:
        raise MissingExtraError("aiohttp", "openrlhf") from error
    patience = ClientTimeout(total=SECONDS, sock_connect=CONNECT_SECONDS)
    try:
        async with (
            ClientSession(timeout=patience) as session,
            session.post(url, json=NOTHING) as answer,
        ):
            return answer.status, (await answer.text())[:200]
    except (ClientError, OSError, TimeoutError, ValueError) as error:
        return None, str(error) or type(error).__name__
