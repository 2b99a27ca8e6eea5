"""What stands before every route: who may enter, how much they may bring, what is counted.

And what a request is told that is not answered.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from time import perf_counter
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from j1sdk.server.metrics import Meter
from j1sdk.server.options import is_loopback

Endpoint = Callable[[Request], Awaitable[Response]]


RETRY_AFTER = 1
"""Seconds; OpenRLHF waits as long between two tries."""


class Refusal(Exception):
    """A request is answered with this status; raised at any depth below a route."""

    status = 400
    retry_after: int | None = None


class Unreadable(Refusal):
    """The body is not what the route takes."""

    status = 422


class TooLarge(Refusal):
    """More than the server's limits allow."""

    status = 413


class Slow(Refusal):
    """The body has not arrived in time."""

    status = 408


class Foreign(Refusal):
    """Sent by a page of another site, through a browser on this machine."""

    status = 403


class NotJson(Refusal):
    """A body of a type that a page of any site may send."""

    status = 415


class Overfull(Refusal):
    """More rollouts of one prompt than its cohort has places."""

    status = 409


class Busy(Refusal):
    """As much is being judged as the server takes on."""

    status = 429
    retry_after = RETRY_AFTER


class Closing(Refusal):
    """The server finishes what it has accepted and takes nothing new."""

    status = 503
    retry_after = RETRY_AFTER


class NotReady(Refusal):
    """The engine has not answered yet."""

    status = 503
    retry_after = RETRY_AFTER


class NotScored(Refusal):
    """A response has no score and the policy is "error"."""

    status = 503
    retry_after = RETRY_AFTER


class Gone(Refusal):
    """The client has hung up; nobody reads this."""

    status = 499


class Unknown(Refusal):
    """No token, or a wrong one."""

    status = 401


def behind(token: str | None, endpoint: Endpoint) -> Endpoint:
    """The endpoint for whoever shows the token: a header, a password or `?token=`.

    Without a token it is for programs on this machine, and not for pages in its browsers.
    """
    if token is None:
        return _from_here(endpoint)
    expected = token.encode()

    async def answer(request: Request) -> Response:
        # All that is shown is compared, and in full: the time it takes tells nothing.
        shown = [text.encode() for text in _shown(request)]
        if not any([compare_digest(text, expected) for text in shown]):
            raise Unknown(
                "wrong token"
                if shown
                else "show the token: as a bearer token, as the password"
                " of basic authentication, or as ?token= in the URL"
            )
        return await endpoint(request)

    return answer


def _from_here(endpoint: Endpoint) -> Endpoint:
    """The endpoint for what no page of another site can have sent.

    Such a page reaches this machine by its own name for it (DNS rebinding: Host), by a request
    that browsers label (Origin), or by one they send unasked (other content types than JSON).
    """

    async def answer(request: Request) -> Response:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if not is_loopback(_name_of(host)):
            raise Foreign(f"host {host!r} is not this machine: set token_env to serve others")
        if origin is not None and _place_of(origin) != host:
            raise Foreign(f"origin {origin!r} may not ask: set token_env to serve other sites")
        if request.method == "POST" and not _is_json(request):
            raise NotJson("send JSON, with the header Content-Type: application/json")
        return await endpoint(request)

    return answer


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _place_of(origin: str) -> str:
    return origin.partition("://")[2]


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"


def _shown(request: Request) -> list[str]:
    """Every token a request shows. OpenRLHF can send a URL and no header of its own."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    shown = request.query_params.getlist("token")
    if scheme.lower() == "bearer":
        shown.append(value.strip())
    elif scheme.lower() == "basic":
        shown += _basic(value)
    return shown


def _basic(value: str) -> list[str]:
    try:
        user, _, password = b64decode(value, validate=True).decode().partition(":")
    except ValueError:  # not base64, or not UTF-8
        return []
    return [user, password]


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """The body; raises TooLarge as soon as it is known to be, before it is held; Slow; or Gone."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit():
        raise Unreadable("content-length is not a number")
    if int(announced[:20]) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(seconds):
            return await _received(request, most)
    except ClientDisconnect:
        raise Gone("the client has hung up") from None
    except TimeoutError:
        raise Slow(f"the body has not arrived in {seconds:g} seconds (body_wait)") from None


async def _received(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body is larger than {most} bytes (max_body)")


class Counted:
    """An application with its requests counted, by route and status."""

    def __init__(self, app: ASGIApp, meter: Meter, routes: frozenset[str]) -> None:
        self._app, self._meter, self._routes = app, meter, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, code = perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            # A stranger's paths must not become series of their own.
            route = scope["path"] if scope["path"] in self._routes else "other"
            self._meter.request(route, code, perf_counter() - started)
