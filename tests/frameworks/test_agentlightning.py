"""The page's code for Agent Lightning, run against its own server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from agentlightning.server import store
from agentlightning.server.routes import events
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pages import blocks, executed, section

from j1sdk import Pointwise, UnscoredError
from j1sdk.testing import judge_by_rule


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setitem(store._rollouts, "r1", SimpleNamespace())
    monkeypatch.setitem(store._events, "r1", {})
    app = FastAPI()
    app.include_router(events.router)
    return TestClient(app)


def test_a_reward_is_reported_and_a_failure_never_is(client: TestClient) -> None:
    (code,) = blocks(section("frameworks", "Agent Lightning"), "python")
    report = executed(code, judge=judge_by_rule(Pointwise()))["report_reward"]
    assert report(client, "r1", "0", "Name a colour.", "It is worth 7.").is_success
    with pytest.raises(UnscoredError, match="r1"):
        report(client, "r1", "0", "Name a colour.", "It is worth ?.")
    assert [event.data for event in store._events["r1"]["0"]] == [{"value": 0.7}]
