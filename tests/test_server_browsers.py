"""A server without a token is for programs on its machine, and not for pages in its browsers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from reward_client import ask, pointwise, sample, scored

from j1sdk.server import Serve, served

GUARDED = ("/", "/metrics", "/v1/models", "/v1/stats")
POSTS = ("/get_reward", "/slime", "/llamafactory", "/classify", "/v1/judge")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server without a token."""
    with served(pointwise(scored(5))) as server:
        yield server.url


@pytest.mark.parametrize("path", [*POSTS, *GUARDED])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "", "[", "192.168.0.1"])
def test_a_name_that_is_not_this_machines_is_refused(url: str, path: str, host: str) -> None:
    reply = ask(url + path, sample("x") if path in POSTS else None, Host=host)
    assert reply.status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1", "[::1]:80"])
def test_its_own_names_are_not(url: str, host: str) -> None:
    assert ask(f"{url}/get_reward", sample("x"), Host=host).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
def test_another_origin_is_refused(url: str, origin: str) -> None:
    assert ask(f"{url}/get_reward", sample("x"), Origin=origin).status == 403
    assert ask(f"{url}/v1/stats", Origin=origin).status == 403


def test_its_own_page_may_ask(url: str) -> None:
    assert ask(f"{url}/v1/stats", Origin=url).status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_what_a_form_can_send_is_refused(url: str, kind: str) -> None:
    headers: dict[str, Any] = {"Content-Type": kind}
    reply = ask(f"{url}/get_reward", sample("x"), **headers)
    assert reply.status == 415 and "Content-Type: application/json" in reply.json["error"]


def test_a_charset_is_no_matter(url: str) -> None:
    headers: dict[str, Any] = {"Content-Type": "application/json; charset=utf-8"}
    assert ask(f"{url}/get_reward", sample("x"), **headers).status == 200


def test_a_token_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_TOKEN", "plain")
    with served(pointwise(scored(5)), Serve(port=0, token_env="JUDGE_TOKEN")) as server:
        url = f"{server.url}/get_reward?token=plain"
        assert ask(url, sample("x"), Host="judge.example").status == 200
