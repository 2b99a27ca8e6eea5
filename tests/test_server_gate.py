"""Who may enter, how much they may bring, how many at once; and what is counted."""

from __future__ import annotations

import asyncio
import http.client
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from reward_client import (
    ask,
    ask_all,
    ask_async,
    by_length,
    metric,
    pointwise,
    sample,
    scored,
    until,
)  # fmt: skip

from j1sdk import ConfigError, EngineError, JudgeRewardModel, Pointwise, Scripted
from j1sdk.run import build_run
from j1sdk.server import Serve, open_server, served
from j1sdk.server.running import RewardServer

TOKEN = "s3cret:with/odd?signs"
GUARDED = ("/", "/metrics", "/v1/models", "/v1/stats")
JSON = b"Content-Type: application/json\r\n"
POSTS = ("/get_reward", "/slime", "/llamafactory", "/classify", "/v1/judge")


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


class TestToken:
    @pytest.fixture
    def url(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        monkeypatch.setenv("JUDGE_TOKEN", TOKEN)
        with served(pointwise(scored(5)), Serve(port=0, token_env="JUDGE_TOKEN")) as server:
            yield server.url

    @pytest.mark.parametrize(
        "header", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(f"j1:{TOKEN}")]
    )
    def test_a_header_lets_in(self, url: str, header: str) -> None:
        reply = ask(f"{url}/get_reward", sample("x"), Authorization=header)
        assert reply.status == 200

    def test_so_does_the_url(self, url: str) -> None:
        query = "token=s3cret%3Awith%2Fodd%3Fsigns"
        assert ask(f"{url}/get_reward?{query}", sample("x")).status == 200
        assert ask(f"{url}/v1/stats?{query}").status == 200

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ", "Bearer",
            f"Digest {TOKEN}", basic("j1:wrong"), basic(f"{TOKEN}x:"), "Basic !!!", "Basic /w==",
            basic("j1:schlüssel"), "Basic sch\xfcssel",
            TOKEN,
        ],
    )  # fmt: skip
    def test_others_stay_outside(self, url: str, header: str) -> None:
        reply = ask(f"{url}/get_reward", sample("x"), Authorization=header)
        assert reply.status == 401 and reply.headers["WWW-Authenticate"] == 'Basic realm="j1"'
        assert TOKEN not in reply.body

    @pytest.mark.parametrize("path", [*POSTS, *GUARDED])
    def test_every_route_asks(self, url: str, path: str) -> None:
        reply = ask(url + path, sample("x") if path in POSTS else None)
        assert reply.status == 401 and "show the token" in reply.json["error"]

    @pytest.mark.parametrize("path", ["/health", "/ready"])
    def test_probes_do_not(self, url: str, path: str) -> None:
        until(lambda: ask(url + path).status == 200)

    def test_a_user_name_will_do_as_some_clients_send_no_password(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JUDGE_TOKEN", "plain")
        with served(pointwise(scored(5)), Serve(port=0, token_env="JUDGE_TOKEN")) as server:
            for pair in ("plain:", "plain", "someone:plain"):
                reply = ask(f"{server.url}/v1/models", Authorization=basic(pair))
                assert reply.status == 200, pair


class TestOptions:
    def test_a_variable_without_a_token_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JUDGE_TOKEN", "")
        with pytest.raises(ConfigError, match="JUDGE_TOKEN holds no token"):
            open_server(pointwise(scored(5)), Serve(port=0, token_env="JUDGE_TOKEN"))

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.3", "example.org", ""])
    def test_an_open_host_needs_a_token(self, host: str) -> None:
        with pytest.raises(ConfigError, match="set token_env"):
            Serve(host=host)
        assert Serve(host=host, token_env="JUDGE_TOKEN").host == host

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
    def test_loopback_does_not(self, host: str) -> None:
        assert Serve(host=host).token() is None

    @pytest.mark.parametrize(
        ("table", "complaint"),
        [
            ({"cohort": 1}, "serve.cohort: Input should be greater than or equal to 2"),
            ({"cohort": 8, "max_pending": 4}, "serve: a cohort of 8 needs a max_pending"),
            ({"cohort": 2, "cohort_wait": 200}, "has to leave time to judge"),
            (
                {"unscored": "none"},
                "serve.unscored: Input should be 'error', 'group', 'neutral' or",
            ),
            ({"prompt_pattern": "("}, "serve.prompt_pattern: not a regular expression"),
            ({"prot": 1}, "unknown key 'prot'; did you mean 'port'?"),
        ],
    )
    def test_a_run_file_is_checked(self, table: dict[str, Any], complaint: str) -> None:
        judge = {"format": "pointwise", "engine": "scripted"}
        with pytest.raises(ConfigError, match="run:") as caught:
            build_run({"judge": judge, "serve": table})
        assert complaint in str(caught.value)

    def test_a_taken_port_is_an_error(self) -> None:
        with served(pointwise(scored(5))) as server:
            port = int(server.url.rsplit(":", 1)[1])
            with pytest.raises(ConfigError, match=f"port {port}: Address already in use"):
                open_server(pointwise(scored(5)), Serve(port=port))

    def test_ipv6_is_written_in_brackets(self) -> None:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("no IPv6 here")
        with served(pointwise(scored(5)), Serve(host="::1", port=0)) as server:
            assert server.url.startswith("http://[::1]:")
            assert ask(f"{server.url}/health").status == 200


class TestLimits:
    @pytest.fixture
    def server(self) -> Iterator[RewardServer]:
        with served(pointwise(scored(5)), Serve(port=0, max_body=5000, max_chars=100)) as server:
            yield server

    def test_a_large_body_is_refused(self, server: RewardServer) -> None:
        reply = ask(f"{server.url}/get_reward", sample("x" * 5000))
        assert reply.status == 413 and "larger than 5000 bytes (max_body)" in reply.json["error"]
        assert ask(f"{server.url}/get_reward", sample("x")).status == 200

    def test_so_is_one_without_an_end(self, server: RewardServer) -> None:
        """In chunks, so that no header tells: the server must stop reading by itself."""
        host = server.url.removeprefix("http://")
        with closing(http.client.HTTPConnection(host, timeout=10)) as connection:
            connection.putrequest("POST", "/get_reward")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            with pytest.raises(OSError):  # it has hung up
                for _ in range(20_000):
                    connection.send(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        assert metric(server.url, "j1_requests_total", code="413") == 1

    @pytest.mark.parametrize("body", [sample("x" * 101), sample("", "x" * 101)])
    def test_a_long_text_is_refused(self, server: RewardServer, body: Any) -> None:
        reply = ask(f"{server.url}/get_reward", body)
        assert reply.status == 413 and "max_chars is 100" in reply.json["error"]

    def test_everything_in_a_judgment_counts(self, server: RewardServer) -> None:
        long = "x" * 101
        for body in (
            {"prompt": long, "responses": ["a"]},
            {"prompt": "p", "responses": ["a", long]},
            {"prompt": "p", "responses": ["a"], "reference": long},
        ):
            assert ask(f"{server.url}/v1/judge", body).status == 413

    def test_a_client_may_hang_up_before_it_has_said_all(self, server: RewardServer) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(
                b"POST /slime HTTP/1.1\r\nHost: localhost\r\n"
                + JSON
                + b"Content-Length: 50\r\n\r\n{"
            )
        until(lambda: ask(f"{server.url}/v1/stats").json["refused"] == 1)
        assert metric(server.url, "j1_requests_total", code="499") == 1

    def test_a_length_that_is_no_number_is_refused(self, server: RewardServer) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(
                b"POST /slime HTTP/1.1\r\nHost: localhost\r\n"
                + JSON
                + b"Content-Length: -5\r\n\r\n"
            )
            assert raw.recv(1000).startswith(b"HTTP/1.1 4")
        assert ask(f"{server.url}/health").status == 200


class TestBackPressure:
    def test_more_than_it_can_take_are_told_to_come_back(self) -> None:
        judge = pointwise(scored(5), 0.4)
        with served(judge, Serve(port=0, max_pending=4, warm_up=False)) as server:
            url = f"{server.url}/get_reward"
            replies = asyncio.run(ask_all(url, [sample(str(number)) for number in range(20)]))
            assert ask(url, sample("later")).status == 200
            assert metric(server.url, "j1_requests_total", code="429") == 16
        refused = [reply for reply in replies if reply.status == 429]
        assert len(refused) == 16 and {reply.status for reply in replies} == {200, 429}
        assert {reply.headers["retry-after"] for reply in refused} == {"1"}
        assert "max_pending is 4" in refused[0].json["error"]

    def test_a_client_that_comes_back_is_served(self) -> None:
        async def persist(url: str, body: Any) -> int:
            tries = 1
            while (await ask_async(url, body)).status == 429:
                tries += 1
                await asyncio.sleep(0.05)
            return tries

        async def all_of(url: str) -> list[int]:
            return await asyncio.gather(*(persist(url, sample(str(one))) for one in range(30)))

        with served(pointwise(scored(5), 0.05), Serve(port=0, max_pending=4)) as server:
            tries = asyncio.run(all_of(f"{server.url}/get_reward"))
            assert metric(server.url, "j1_scored_total") == 30
        assert len(tries) == 30 and max(tries) > 1

    def test_a_request_that_never_fits_is_not_told_to_come_back(self) -> None:
        body = {"query": ["a"] * 5, "prompts": ["a"] * 5, "labels": [""] * 5}
        with served(pointwise(scored(5)), Serve(port=0, max_pending=4)) as server:
            reply = ask(f"{server.url}/get_reward", body)
        assert reply.status == 413 and "5 responses in one request" in reply.json["error"]


class TestProbes:
    def test_it_is_ready_once_the_engine_has_answered(self) -> None:
        with served(pointwise(scored(5), 0.5)) as server:
            first = ask(f"{server.url}/ready")
            assert first.status == 503 and "has not answered yet" in first.json["error"]
            assert ask(f"{server.url}/health").json == {"status": "ok"}
            assert metric(server.url, "j1_ready") == 0
            until(lambda: ask(f"{server.url}/ready").status == 200)
            assert metric(server.url, "j1_ready") == 1

    def test_an_engine_out_of_reach_is_asked_again(self) -> None:
        tries: list[int] = []

        def script(asked: object, sampling: object) -> Any:
            tries.append(1)
            return EngineError("connection refused") if len(tries) < 2 else "ok"

        judge = JudgeRewardModel(format=Pointwise(), engine=Scripted(script=script))
        with served(judge) as server:
            until(lambda: len(tries) == 1)
            assert ask(f"{server.url}/ready").json["error"].endswith(": connection refused")
            until(lambda: ask(f"{server.url}/ready").status == 200)
        assert len(tries) == 2

    def test_a_judgment_shows_that_the_engine_works(self) -> None:
        """A cache that only replays what it holds never answers a warm-up."""

        def script(question: str) -> Any:
            return EngineError("not held") if "2 + 2?" in question else Pointwise().write((5.0,))

        with served(pointwise(script)) as server:
            assert ask(f"{server.url}/ready").status == 503
            assert ask(f"{server.url}/get_reward", sample("x")).status == 200
            assert ask(f"{server.url}/ready").status == 200

    def test_an_engine_that_cannot_work_ends_the_server(self) -> None:
        def script(asked: object, sampling: object) -> Any:
            return ConfigError("no model directory at /nowhere")

        judge = JudgeRewardModel(format=Pointwise(), engine=Scripted(script=script))
        with pytest.raises(ConfigError, match="no model directory"):
            open_server(judge, Serve(port=0)).serve_forever()

    @pytest.mark.parametrize("judge", [pointwise(scored(5)), by_length()])
    def test_the_warm_up_costs_a_few_tokens(self, judge: JudgeRewardModel) -> None:
        seen: list[int] = []

        def script(asked: object, sampling: Any) -> str:
            seen.append(sampling.max_new_tokens)
            return "x"

        judge = judge.model_copy(update={"engine": Scripted(script=script)})
        with served(judge) as server:
            until(lambda: ask(f"{server.url}/ready").status == 200)
        assert seen == [16]


class TestMetrics:
    def test_they_are_what_prometheus_reads(self) -> None:
        with served(pointwise(scored(5)), Serve(port=0, warm_up=False)) as server:
            ask(f"{server.url}/get_reward", sample("x"))
            ask(f"{server.url}/get_reward", [])
            ask(f"{server.url}/no/such/route")
            reply = ask(f"{server.url}/metrics")
        assert reply.headers["content-type"].startswith("text/plain; version=")
        families = {one.name: one for one in text_string_to_metric_families(reply.body)}
        assert {"j1_requests", "j1_request_seconds", "j1_judgments", "j1_unscored"} <= set(families)
        requests = {
            (one.labels["route"], one.labels["code"]): one.value
            for one in families["j1_requests"].samples
            if one.name == "j1_requests_total"
        }
        assert requests == {
            ("/get_reward", "200"): 1, ("/get_reward", "422"): 1, ("other", "404"): 1,
        }  # fmt: skip
        assert all(family.documentation.endswith(".") for family in families.values())

    def test_every_series_is_there_from_the_start(self) -> None:
        with served(pointwise(scored(5))) as server:
            for status in ("ok", "unparseable", "truncated", "out_of_range", "engine_error"):
                assert metric(server.url, "j1_judgments_total", status=status) == 0
            for reason in ("judgment", "deadline", "cohort", "unfinished"):
                assert metric(server.url, "j1_unscored_total", reason=reason) == 0

    def test_two_servers_count_for_themselves(self) -> None:
        judge = pointwise(scored(5))
        with served(judge) as one, served(judge) as other:
            ask(f"{one.url}/get_reward", sample("x"))
            assert metric(one.url, "j1_scored_total") == 1
            assert metric(other.url, "j1_scored_total") == 0


def test_models_are_listed_as_openai_lists_them() -> None:
    with served(pointwise(scored(5))) as server:
        answer = ask(f"{server.url}/v1/models").json
    assert answer["object"] == "list"
    assert answer["data"][0]["id"] == "j1-pointwise" and answer["data"][0]["object"] == "model"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/get_reward", None, 405), ("/health", {}, 405), ("/docs", None, 404), ("/x", {}, 404)],
)
def test_other_paths_and_methods_are_refused(path: str, body: Any, status: int) -> None:
    with served(pointwise(scored(5))) as server:
        assert ask(server.url + path, body).status == status
