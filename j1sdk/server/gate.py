"""What stands before every route: who may enter, how much they may bring, what is counted."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from time import perf_counter

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from j1sdk.server.metrics import Meter
from j1sdk.server.refusals import Gone, TooLarge, Unknown, Unreadable

Endpoint = Callable[[Request], Awaitable[Response]]


def behind(token: str | None, endpoint: Endpoint) -> Endpoint:
    """The endpoint for whoever shows the token: a header, a password or `?token=`."""
    if token is None:
        return endpoint
    expected = token.encode()

    async def answer(request: Request) -> Response:
        # All that is shown is compared, and in full: the time it takes tells nothing.
        shown = [one.encode() for one in _shown(request)]
        if not any([compare_digest(one, expected) for one in shown]):
            raise Unknown(
                "wrong token"
                if shown
                else "show the token: as a bearer token, as the password"
                " of basic authentication, or as ?token= in the URL"
            )
        return await endpoint(request)

    return answer


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
    except (binascii.Error, UnicodeDecodeError):
        return []
    return [user, password]


async def read_body(request: Request, most: int) -> bytes:
    """The body; raises TooLarge as soon as it is known to be, and before it is held, or Gone."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit():
        raise Unreadable("content-length is not a number")
    body = bytearray()
    try:
        if int(announced[:20]) <= most:
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    break
            else:
                return bytes(body)
    except ClientDisconnect:
        raise Gone("the client has hung up") from None
    raise TooLarge(f"the body is larger than {most} bytes (max_body)")


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
