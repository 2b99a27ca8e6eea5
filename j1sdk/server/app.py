"""The application: a judge's desk behind HTTP routes."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from starlette.routing import Route

from j1sdk.judge import JudgeRewardModel
from j1sdk.server.desk import Desk
from j1sdk.server.dialects import DIALECTS
from j1sdk.server.gate import Counted, Endpoint, behind
from j1sdk.server.options import Serve
from j1sdk.server.refusals import Refusal, TooLarge, Unknown
from j1sdk.server.routes import Views, full_judgments, in_json, scoring
from j1sdk.server.warmth import warming


def build_app(judge: JudgeRewardModel, options: Serve) -> FastAPI:
    """The server of a judge as an application, with its `state.desk`; raises ConfigError.

    Plain routes: bodies are read by pydantic alone, which takes half the time of FastAPI's way.
    """
    options.check(judge)
    token, desk = options.token(), Desk(judge, options)
    app = FastAPI(openapi_url=None, lifespan=lambda app: warming(desk))
    app.state.desk = desk
    for path, endpoint in posts(desk).items():
        app.add_route(path, behind(token, endpoint), methods=["POST"])
    for path, endpoint in views(desk).items():
        app.add_route(path, behind(token, endpoint), methods=["GET"])
    for path, endpoint in probes(desk).items():
        app.add_route(path, endpoint, methods=["GET"])
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(Exception, broken)
    known = frozenset(route.path for route in app.routes if isinstance(route, Route))
    app.add_middleware(Counted, meter=desk.meter, routes=known)
    return app


def posts(desk: Desk) -> dict[str, Endpoint]:
    """What is asked for judgments."""
    trainers = {dialect.path: scoring(dialect, desk) for dialect in DIALECTS}
    return {**trainers, "/v1/judge": full_judgments(desk)}


def views(desk: Desk) -> dict[str, Endpoint]:
    """What shows judgments, or what is judged with."""
    of = Views(desk)
    return {"/": of.page, "/v1/stats": of.stats, "/v1/models": of.models, "/metrics": of.metrics}


def probes(desk: Desk) -> dict[str, Endpoint]:
    """What needs no token, and tells nothing worth one."""
    of = Views(desk)
    return {"/health": of.health, "/ready": of.ready}


async def refused(request: Request, refusal: Exception) -> Response:
    """A Refusal as a response."""
    assert isinstance(refusal, Refusal)
    response = in_json({"error": str(refusal)})
    response.status_code = refusal.status
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    if isinstance(refusal, Unknown):
        response.headers["WWW-Authenticate"] = 'Basic realm="j1"'
    if isinstance(refusal, TooLarge):
        response.headers["Connection"] = "close"  # there may be no end to what it sends
    return response


async def broken(request: Request, error: Exception) -> Response:
    """A mistake of ours or of a plugin's, which is in the log; never a score."""
    response = in_json({"error": f"{type(error).__name__} in the server; see its log"})
    response.status_code = 500
    return response
