"""The routes: read a request, have the desk judge, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import PurePath
from time import perf_counter
from typing import Any, TypeVar

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from j1sdk.errors import UnscoredError, explain
from j1sdk.server import judging
from j1sdk.server.desk import Desk
from j1sdk.server.dialects import Dialect
from j1sdk.server.gate import Endpoint, read_body
from j1sdk.server.outcomes import Outcome, settled
from j1sdk.server.page import PAGE, PAGE_HEADERS
from j1sdk.server.refusals import Closing, Gone, NotReady, NotScored, Unreadable

Body = TypeVar("Body", bound=BaseModel)
Result = TypeVar("Result")


def scoring(dialect: type[Dialect], desk: Desk) -> Endpoint:
    """A trainer's route: each response gets a number, or the request none."""

    async def answer(request: Request) -> Response:
        asked = await read(request, dialect, desk)
        outcomes = await unless_gone(request, desk.score(asked.items(desk.options)))
        return in_json(asked.answer(rewards_of(outcomes, desk), outcomes))

    return timed(answer, desk)


def full_judgments(desk: Desk) -> Endpoint:
    """Our own route: every judgment, with scores that may be null."""

    async def answer(request: Request) -> Response:
        asked = await read(request, judging.Ask, desk)
        task = asked.task(desk.judge.format)
        verdict = await unless_gone(request, desk.judge_task(task))
        return in_json(judging.answer(verdict, task, desk))

    return timed(answer, desk)


def rewards_of(outcomes: Sequence[Outcome], desk: Desk) -> list[float]:
    """A number per outcome, as the policy declares; raises NotScored."""
    try:
        return settled(outcomes, desk.options.unscored)
    except UnscoredError as error:
        detail = next(outcome.detail for outcome in outcomes if outcome.score is None)
        raise NotScored(f"{error}: {detail}") from error


async def read(request: Request, body: type[Body], desk: Desk) -> Body:
    """The request's body; raises a Refusal."""
    text = await read_body(request, desk.options.max_body)
    try:
        return body.model_validate_json(text)
    except ValidationError as error:
        raise Unreadable("; ".join(explain(error)[:5])) from error


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of the work, which is cancelled when the client hangs up; raises Gone."""
    task, gone = asyncio.create_task(work), asyncio.create_task(hung_up(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone("the client has hung up")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def hung_up(request: Request) -> None:
    """Return once the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def timed(endpoint: Endpoint, desk: Desk) -> Endpoint:
    """The endpoint, with how long it takes noted for the page."""

    async def answer(request: Request) -> Response:
        started, done = perf_counter(), False
        try:
            response = await endpoint(request)
            done = True
            return response
        finally:
            desk.meter.history.request(perf_counter() - started, done)

    return answer


def in_json(value: Any) -> Response:
    """The value as a JSON response."""
    return Response(to_json(value), media_type="application/json")


class Views:
    """What a server serves of itself."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def health(self, request: Request) -> Response:
        """The process answers."""
        return in_json({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """The engine has answered, and requests are taken."""
        if self._desk.closing:
            raise Closing("the server is closing")
        if not self._desk.ready:
            raise NotReady(": ".join(["the engine has not answered yet", *self._desk.trouble]))
        return in_json({"status": "ready"})

    async def models(self, request: Request) -> Response:
        """The judge, as OpenAI's API lists models."""
        since = int(self._desk.meter.history.since)
        model = {"id": self._name(), "object": "model", "created": since, "owned_by": "j1sdk"}
        return in_json({"object": "list", "data": [model]})

    async def metrics(self, request: Request) -> Response:
        """All counters, for Prometheus."""
        return Response(self._desk.meter.exposition(), media_type=CONTENT_TYPE_LATEST)

    async def stats(self, request: Request) -> Response:
        """What the page shows."""
        desk = self._desk
        state = {"judge": self._name(), "pending": desk.pending, "ready": desk.ready}
        return in_json({**state, "closing": desk.closing, **desk.meter.history.summary()})

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return Response(PAGE, media_type="text/html", headers=PAGE_HEADERS)

    def _name(self) -> str:
        """What the judge is called: its format, and its model where it has one."""
        model = self._desk.judge.engine.label
        return f"j1-{self._desk.judge.format.name}" + (f"@{PurePath(model).name}" if model else "")
