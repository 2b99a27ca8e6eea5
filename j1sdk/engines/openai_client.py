"""JSON to a server and back, until it answers: few connections, many attempts, one deadline.

A client lives on the event loop it is made on. It asks so many questions at once and no more; the
others wait, and their time begins when their turn comes. What passes (timeouts, lost connections,
429 and 5xx) is tried again, later and later; what does not is an EngineError at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from itertools import count
from math import inf
from random import Random
from threading import current_thread, main_thread
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import finalize

from j1sdk.errors import EngineError, MissingExtraError, did_you_mean

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

Known = TypeVar("Known")
Read = TypeVar("Read")
FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0
"""Seconds before the second attempt and, as they double each time, at most before any."""
PASSING = frozenset({408, 409, 425, 429})
"""Refusals that pass, besides every 5xx."""
NO_MONEY = frozenset(
    (
        "insufficient_quota",
        "exceeded_current_quota_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_balance",
        "insufficient_credits",
    )
)
"""Codes and types of a refusal that waiting does not change, though many come with a 429."""
SHOWN = 200
"""Characters of a body that an error shows."""
CLOSED = "the engine was closed"
PATIENCE = 5.0
"""Seconds for what only explains an error."""
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class Limits(NamedTuple):
    """How hard a server is tried."""

    concurrency: int
    timeout: float
    """Seconds for one attempt."""
    deadline: float
    """Seconds for all attempts and the waiting between them."""
    retries: int


class Passing(EngineError):
    """What may succeed when asked again, after so many seconds if the server says how many."""

    after: float | None = None


class Access(NamedTuple):
    """Where a server is and what it wants to see; errors name the options that say so."""

    url: str
    key: str = ""
    headers: Mapping[str, str] = {}
    url_option: str = "base_url"
    key_option: str = "api_key_env"


class Client:
    """Pooled connections to one server."""

    def __init__(self, access: Access, limits: Limits) -> None:
        """Raises MissingExtraError."""
        self._access, self._key, self._limits = access, access.key, limits
        headers = {**access.headers, **authorization(access.key)}
        self._session = open_session(headers, access.url)
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._silent_since: float | None = None
        self._known: dict[str, asyncio.Future[Any]] = {}
        self._random = Random()  # its own: a script's seeded one is not ours to draw from
        self._release = finalize(self, release, self._session, self._loop, os.getpid())

    @property
    def closed(self) -> bool:
        return bool(self._session.closed)

    async def post(self, url: str, body: Mapping[str, Any], read: Callable[[Any], Read]) -> Read:
        """What `read` makes of the parsed answer; raises EngineError.

        If `read` raises Passing, it is asked again, as after a refusal that passes.
        """
        async with self._slots:
            return await self._insist(url, json.dumps(body).encode(), read)

    async def get(self, url: str, read: Callable[[Any], Read]) -> Read:
        """As `post`, for what is asked without a body."""
        async with self._slots:
            return await self._insist(url, None, read)

    async def once(self, name: str, find_out: Callable[[], Coroutine[Any, Any, Known]]) -> Known:
        """What is found out once, however many want to know."""
        if name not in self._known or self._known[name].cancelled():
            self._known[name] = asyncio.ensure_future(find_out())
        return cast(Known, await asyncio.shield(self._known[name]))

    async def close(self) -> None:
        """Close the connections; what is being asked fails."""
        self._release.detach()
        await self._session.close()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def _insist(self, url: str, data: bytes | None, read: Callable[[Any], Read]) -> Read:
        begun = self._loop.time()
        ends = begun + self._limits.deadline
        for attempt in count(1):
            try:
                return self._read(await self._attempt(url, data, ends), read)
            except Passing as failure:
                wait = self._wait(attempt, failure.after)
                now = self._loop.time()
                late = now + wait >= min(ends, self._patience_ends)
                if late or attempt > self._limits.retries:
                    raise EngineError(given_up(failure, attempt, now - begun)) from failure
                await asyncio.sleep(wait)
        raise AssertionError("counting never ends")

    @property
    def _patience_ends(self) -> float:
        """When a silent server is given up by all, or each that waits would wait in vain anew."""
        return inf if self._silent_since is None else self._silent_since + self._limits.deadline

    async def _attempt(self, url: str, data: bytes | None, ends: float) -> bytes:
        """One attempt; raises Passing, or EngineError for what another would not change."""
        from aiohttp import ClientError, ClientSSLError

        begun = self._loop.time()
        try:
            async with asyncio.timeout_at(min(ends, begun + self._limits.timeout)):
                return await self._once(url, data)
        except TimeoutError as error:
            self._note_silence()
            raise Passing(f"no answer in {self._loop.time() - begun:.1f} s") from error
        except (ClientError, OSError) as error:
            self._note_silence()
            broken = isinstance(error, ClientSSLError) or self.closed
            reason = CLOSED if self.closed else str(error) or repr(error)
            raise (EngineError if broken else Passing)(reason) from error

    def _note_silence(self) -> None:
        if self._silent_since is None:
            self._silent_since = self._loop.time()

    async def _once(self, url: str, data: bytes | None) -> bytes:
        if self.closed:
            raise EngineError(CLOSED)
        method = "GET" if data is None else "POST"
        asking = self._session.request(method, url, data=data, allow_redirects=False)
        async with asking as response:
            self._silent_since = None
            body = await response.read()
            if response.status == 200:
                return body
            raise await self._refusal(response, body)

    async def _refusal(self, response: ClientResponse, body: bytes) -> EngineError:
        said = f"{response.status} {response.reason}: {self._excerpt(body)}"
        if is_out_of_money(_json_or_none(body)):
            return EngineError(f"{said}. The account has nothing left to pay with")
        if response.status in PASSING or response.status >= 500:
            passing = Passing(said)
            passing.after = seconds_to_wait(response.headers.get("Retry-After", ""))
            return passing
        return EngineError(said + await self._advice(response))

    async def _advice(self, response: ClientResponse) -> str:
        """What to do about a refusal that does not pass."""
        if 300 <= response.status < 400:
            where = response.headers.get("Location")
            return f". Set {self._access.url_option} to where it leads: {where}"
        if response.status in (401, 403):
            which, option = "another" if self._key else "a", self._access.key_option
            return f". It wants {which} key: name its environment variable as `{option}`"
        return await self.once("models", self._served) if response.status == 404 else ""

    async def _served(self) -> str:
        try:
            async with asyncio.timeout(PATIENCE):
                async with self._session.get(f"{self._access.url}/models") as response:
                    known = [one["id"] for one in json.loads(await response.read())["data"]]
        except Exception:  # noqa: BLE001  an explanation of an error must not be another error
            return ". It names no models either: is base_url right, up to and including /v1?"
        return f". Models it serves{did_you_mean('', map(str, known)).removeprefix('; known')}"

    def _wait(self, attempt: int, asked: float | None) -> float:
        """Seconds until the next attempt: at least what the server asks for."""
        most = min(FIRST_WAIT * 2 ** min(attempt - 1, 30), LONGEST_WAIT)
        return max(self._random.uniform(most / 2, most), asked or 0.0)

    def _read(self, body: bytes, read: Callable[[Any], Read]) -> Read:
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise EngineError(f"it answered what is not JSON: {self._excerpt(body)}") from error
        try:
            return read(parsed)
        except EngineError as error:
            raise type(error)(self._without_key(str(error))) from error

    def _excerpt(self, body: bytes) -> str:
        """The beginning of a body, without the key that some repeat: errors go into files."""
        text = " ".join(body.decode("utf-8", "replace").split())
        return self._without_key(text)[:SHOWN] or "an empty body"

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def is_out_of_money(refusal: Any) -> bool:
    """Whether a refusal says that the account has nothing left, and not that it asks too fast."""
    error = refusal.get("error", refusal) if isinstance(refusal, dict) else None
    if not isinstance(error, dict):
        return False
    return bool(NO_MONEY & {str(error.get("code")).lower(), str(error.get("type")).lower()})


def _json_or_none(body: bytes) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(body)
    return None


def given_up(failure: Passing, attempts: int, seconds: float) -> str:
    waiting = f", and asks to wait {failure.after:.0f} s" if failure.after else ""
    times = "once" if attempts == 1 else f"{attempts} times in {seconds:.1f} s, last"
    return f"failed {times} with: {failure}{waiting}"


def open_session(headers: Mapping[str, str], base_url: str) -> ClientSession:
    """A session whose connections are as many as there are questions under way."""
    try:
        import aiohttp
    except ImportError as error:
        raise MissingExtraError("aiohttp", "openai") from error
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", **headers},
        timeout=aiohttp.ClientTimeout(total=None),
        proxy=proxy_of(base_url),
    )


def proxy_of(base_url: str) -> str | None:
    """The proxy that the environment names for a server, as other clients read it."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    return None if is_this_machine(host) or proxy_bypass(host) else getproxies().get(parts.scheme)


def is_this_machine(host: str) -> bool:
    return host in THIS_MACHINE


def authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def seconds_to_wait(header: str) -> float | None:
    """What Retry-After says, in seconds or as a date; None for nothing or nonsense."""
    if re.fullmatch(r"\d+(\.\d+)?", header):
        return float(header)
    with suppress(ValueError, TypeError):
        return max(parsedate_to_datetime(header).timestamp() - time(), 0.0)
    return None


def release(session: ClientSession, loop: asyncio.AbstractEventLoop, process: int) -> None:
    """Close the session of a client that nobody closed; a forked child leaves it to its parent."""
    if os.getpid() != process or loop.is_closed():
        return
    closing = asyncio.run_coroutine_threadsafe(session.close(), loop)
    if current_thread() is main_thread():  # at exit, or the loop's thread ends before it is done
        with suppress(TimeoutError):
            closing.result(timeout=1.0)
