"""The application: a judge's desk behind HTTP routes, each of which reads, has judged, answers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import PurePath
from time import perf_counter
from typing import Any, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from j1sdk.adapters.dialects import Dialect, dialects
from j1sdk.adapters.scores import Item, Outcome, first_failure, numbers
from j1sdk.component import Value
from j1sdk.errors import DataError, UnscoredError, explain
from j1sdk.formats import JudgmentFormat
from j1sdk.judge import JudgeRewardModel, RankedResponses
from j1sdk.server.desk import Desk, Verdict, warming
from j1sdk.server.gate import (
    Closing,
    Counted,
    Endpoint,
    Gone,
    NotReady,
    NotScored,
    Refusal,
    Slow,
    TooLarge,
    Unknown,
    Unreadable,
    behind,
    read_body,
)
from j1sdk.server.metrics import PAGE, PAGE_HEADERS
from j1sdk.server.options import Serve
from j1sdk.types import Conversation, Judgment, JudgmentTask, winner

Body = TypeVar("Body", bound=BaseModel)
Result = TypeVar("Result")
GROUP_HEADER = "x-j1-group"
"""Names the cohort of a request's responses, as `?group=` in the URL does."""


def build_app(judge: JudgeRewardModel, options: Serve) -> Starlette:
    """The server of a judge as an application, with its `state.desk`; raises ConfigError.

    Plain routes: bodies are read by pydantic alone, which takes half the time of FastAPI's way.
    """
    options.check(judge)
    token, desk = options.token(), Desk(judge, options)
    app = Starlette(lifespan=lambda app: warming(desk))
    app.state.desk = desk
    for path, endpoint in posts(desk).items():
        app.add_route(path, behind(token, endpoint), methods=["POST"])
    views = Views(desk)
    for path, endpoint in views.guarded().items():
        app.add_route(path, behind(token, endpoint), methods=["GET"])
    for path, endpoint in views.open().items():
        app.add_route(path, endpoint, methods=["GET"])
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(Exception, broken)
    paths = frozenset(route.path for route in app.routes if isinstance(route, Route))
    app.add_middleware(Counted, meter=desk.meter, routes=paths)
    return app


def posts(desk: Desk) -> dict[str, Endpoint]:
    """What is asked for judgments."""
    trainers = {dialect.path: scoring(dialect, desk) for dialect in dialects()}
    return {**trainers, "/v1/judge": full_judgments(desk), "/v1/score": outcomes_of(desk)}


async def refused(request: Request, refusal: Exception) -> Response:
    """A Refusal as a response."""
    assert isinstance(refusal, Refusal)
    response = in_json({"error": str(refusal)})
    response.status_code = refusal.status
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    if isinstance(refusal, Unknown):
        response.headers["WWW-Authenticate"] = 'Basic realm="j1"'
    if isinstance(refusal, TooLarge | Slow):
        response.headers["Connection"] = "close"  # there may be no end to what it sends
    return response


async def broken(request: Request, error: Exception) -> Response:
    """A mistake of ours or of a plugin's, which is in the log; never a score."""
    response = in_json({"error": f"{type(error).__name__} in the server; see its log"})
    response.status_code = 500
    return response


def scoring(dialect: Dialect, desk: Desk) -> Endpoint:
    """A trainer's route: each response gets a number, or the request none."""

    async def answer(request: Request) -> Response:
        asked = await read(request, dialect.request, desk)
        group = named_group(request) or asked.group
        items = [replace(item, group=group) for item in read_items(dialect, asked, desk.options)]
        outcomes = await unless_gone(request, desk.score(items))
        return in_json(dialect.answer(asked, rewards_of(outcomes, desk), outcomes))

    return timed(answer, desk)


def named_group(request: Request) -> str:
    """The cohort that a request names outside its body; empty if it names none."""
    return request.query_params.get("group") or request.headers.get(GROUP_HEADER, "")


def read_items(dialect: Dialect, asked: Any, options: Serve) -> list[Item]:
    """What a request is to score; raises Unreadable."""
    try:
        return dialect.items(asked, options)
    except DataError as error:
        raise Unreadable(str(error)) from error


def rewards_of(outcomes: Sequence[Outcome], desk: Desk) -> list[float]:
    """A number per outcome, as the policy declares; raises NotScored."""
    try:
        return numbers(outcomes, desk.options.unscored)
    except UnscoredError as error:
        raise NotScored(str(error)) from error


class Ask(Value):
    """A prompt and its responses, for `POST /v1/judge`: all that a judge has to say.

    What fails has the score null and says so in `status` and `detail`, with HTTP 200: no policy
    for the unscored applies here, and no number stands for a judgment.
    """

    prompt: Conversation = Field(min_length=1)
    responses: tuple[str, ...] = Field(min_length=1)
    reference: str | None = None

    def task(self, format: JudgmentFormat) -> JudgmentTask:
        """What the judge is to judge; raises Unreadable."""
        if format.arity == 2 and len(self.responses) == 1:
            raise Unreadable(f"{format.name} compares responses: send two or more")
        if format.arity == 2 and len(self.responses) > 2 and self.reference is not None:
            raise Unreadable("a ranking of more than two responses is shown no reference")
        return JudgmentTask(**dict(self))


class ToScore(Value):
    """One response, for `POST /v1/score`."""

    prompt: Conversation = Field(min_length=1)
    response: str | None
    """The policy's answer; null where it came to none, which is unscored."""
    reference: str | None = None


class Group(Value):
    """Responses for `POST /v1/score`: those to one prompt, where the judge compares them.

    As many outcomes come back, in this order. What fails has the score null and a reason, with HTTP
    200: whoever asks decides what stands for it. A response by itself waits for the others of its
    `group` where the server has cohorts.
    """

    items: tuple[ToScore, ...] = Field(min_length=1)
    group: str = ""


def outcomes_of(desk: Desk) -> Endpoint:
    """Our own route for rewards, which adapters ask: scores that may be null, and why."""

    async def answer(request: Request) -> Response:
        group = await read(request, Group, desk)
        name = named_group(request) or group.group
        items = [Item(**dict(item), group=name) for item in group.items]
        outcomes = await unless_gone(request, desk.score_together(items))
        return in_json({"outcomes": outcomes})

    return timed(answer, desk)


def full_judgments(desk: Desk) -> Endpoint:
    """Our own route: every judgment, with scores that may be null."""

    async def answer(request: Request) -> Response:
        task = (await read(request, Ask, desk)).task(desk.judge.format)
        verdict = await unless_gone(request, desk.judge_task(task))
        return in_json(shown_verdict(verdict, task, desk))

    return timed(answer, desk)


def shown_verdict(verdict: Verdict | None, task: JudgmentTask, desk: Desk) -> dict[str, Any]:
    """The verdict as JSON."""
    if verdict is None:
        late = f"no verdict within {desk.options.deadline:g} s"
        nothing = [None] * len(task.responses)
        return {"status": "deadline", "detail": late, "scores": nothing, "judgments": []}
    ranked = isinstance(verdict, RankedResponses)
    missing = None in verdict.scores
    return {
        "status": "unscored" if missing else "ok",
        "detail": first_failure(verdict.judgments) if missing else "",
        "scores": verdict.scores,
        "range": (0.0, 1.0) if ranked else desk.judge.format.score_range,
        "preferred": winner(verdict.scores) if len(verdict.scores) > 1 else None,
        "consistent": None if isinstance(verdict, RankedResponses) else verdict.consistent,
        "judgments": [_shown_judgment(judgment) for judgment in verdict.judgments],
        "usage": verdict.usage.model_dump(),
    }


def _shown_judgment(judgment: Judgment) -> dict[str, Any]:
    return {
        "status": judgment.status.value,
        "detail": judgment.detail,
        "order": judgment.order,
        "scores": judgment.scores,
        "text": judgment.text,
        **({"probabilities": judgment.probabilities} if judgment.probabilities else {}),
        "usage": judgment.usage.model_dump(),
    }


async def read(request: Request, body: type[Body], desk: Desk) -> Body:
    """The request's body; raises a Refusal."""
    text = await read_body(request, desk.options.max_body, desk.options.body_wait)
    try:
        return body.model_validate_json(text)
    except ValidationError as error:
        raise Unreadable("; ".join(explain(error)[:5])) from error


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of the work, which is cancelled when the client hangs up; raises Gone."""
    answering = asyncio.current_task()
    assert answering
    gone = asyncio.create_task(_cancel_if_gone(request, answering))
    try:
        return await work
    except asyncio.CancelledError:
        if gone.done() and not gone.cancelled() and not answering.uncancel():
            raise Gone("the client has hung up") from None
        raise  # by the server's end
    finally:
        gone.cancel()


async def _cancel_if_gone(request: Request, answering: asyncio.Task[Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    answering.cancel()


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

    def guarded(self) -> dict[str, Endpoint]:
        """What shows judgments, or what is judged with."""
        return {
            "/": self.page,
            "/v1/stats": self.stats,
            "/v1/models": self.models,
            "/metrics": self.metrics,
        }

    def open(self) -> dict[str, Endpoint]:
        """What needs no token, and tells nothing worth one."""
        return {"/health": self.health, "/ready": self.ready}

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
        model |= {"arity": self._desk.judge.format.arity, "cohort": self._desk.options.cohort}
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
