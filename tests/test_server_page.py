"""The server's page, in a real browser: what it shows, and what it must not run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from reward_client import ask, pointwise, sample

from j1sdk import EngineError, Pointwise
from j1sdk.engines.scripted import Answer
from j1sdk.server import Serve, served
from j1sdk.server.metrics import EXCERPT, LATEST, History
from j1sdk.server.running import RewardServer
from j1sdk.types import Judgment, JudgmentStatus, Message

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page with")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=3000",
)  # fmt: skip
HACK = "document.body.replaceChildren('HACKED')"
HOSTILE = (
    f"<script>{HACK}</script>",
    f"<img src=x onerror=\"{HACK}\">",
    f"</pre></li></ol><script>{HACK}</script>",
    f"</script><script>{HACK}</script>",
    f"<svg onload=\"{HACK}\"><style>body {{ display: none }}</style>",
    "javascript:" + HACK,
)  # fmt: skip


def answer(question: str) -> Answer:
    if "unread" in question:
        return f"No score. <script>{HACK}</script>"
    if "broken" in question:
        return EngineError(f"<script>{HACK}</script>")
    return Pointwise().write((7.5,), f"<script>{HACK}</script>")


@pytest.fixture
def server() -> Iterator[RewardServer]:
    with served(pointwise(answer), Serve(port=0, warm_up=False)) as server:
        for text in (*HOSTILE, "unread", "broken"):
            ask(f"{server.url}/get_reward", sample(text, f"Prompt {text[:20]}"))
        yield server


def browse(url: str, folder: Path, *flags: str) -> str:
    """The document after some seconds, as the browser has it."""
    assert CHROMIUM
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def text_of(document: str, name: str) -> str:
    """The text of the element with this id."""
    found = re.search(rf'id="{name}"[^>]*>(.*?)</', document, re.DOTALL)
    assert found, f"no {name}"
    return found[1]


@needs_browser
def test_it_shows_what_goes_on(server: RewardServer, tmp_path: Path) -> None:
    document = browse(f"{server.url}/", tmp_path, "--dump-dom")
    assert text_of(document, "judge") == "j1-pointwise"
    assert text_of(document, "state") == "ready"
    assert float(text_of(document, "rate")) > 0
    assert re.fullmatch(r"\d+ ms|\d+\.\d s", text_of(document, "p50"))
    assert text_of(document, "refused") == "2"
    assert "<dt>ok</dt>" in document and "75.0 % (6)" in document
    assert "<dt>engine error</dt>" in document and "12.5 % (1)" in document
    assert document.count("<li>") == 8 and document.count("<rect") == 60
    assert "! unparseable" in document and "\u2713 ok" in document


@needs_browser
def test_nothing_a_response_says_is_run(server: RewardServer, tmp_path: Path) -> None:
    document = browse(f"{server.url}/", tmp_path, "--dump-dom")
    assert "HACKED" not in re.sub(r"HACKED'", "", document), "only quoted in the texts"
    assert document.count("<script>") == 1 and "<img" not in document
    assert "&lt;script&gt;" in document
    assert text_of(document, "state") == "ready"


@needs_browser
def test_with_a_token_in_the_url_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_TOKEN", "secret")
    options = Serve(port=0, warm_up=False, token_env="JUDGE_TOKEN")
    with served(pointwise(answer), options) as server:
        document = browse(f"{server.url}/?token=secret", tmp_path, "--dump-dom")
    assert text_of(document, "state") == "ready" and "secret" not in document


@needs_browser
def test_it_is_drawn(server: RewardServer, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    browse(f"{server.url}/", tmp_path, f"--screenshot={picture}", "--window-size=1000,1200")
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000


def test_the_browser_is_told_to_run_nothing_else(server: RewardServer) -> None:
    page = ask(f"{server.url}/")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy and "connect-src 'self'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"https?://|//\w|@import|url\(", page.body), "nothing from elsewhere"


def judgment(number: int, text: str = "x") -> Judgment:
    said = (Message(role="assistant", content=text),)
    return Judgment(
        task_id=str(number), order=(0,), scores=(1.0,), status=JudgmentStatus.OK, transcript=said
    )


class TestHistory:
    def test_it_keeps_the_last_judgments_newest_first(self) -> None:
        history = History()
        for number in range(LATEST + 5):
            history.judged((Message(role="user", content=f"{number}"),), ["r"], [judgment(number)])
        latest = history.summary()["latest"]
        assert len(latest) == LATEST and latest[0]["prompt"] == str(LATEST + 4)
        assert history.summary()["statuses"]["ok"] == LATEST + 5
        assert len({one["number"] for one in latest}) == LATEST

    def test_long_texts_are_cut(self) -> None:
        history = History()
        long = "x" * (EXCERPT + 1)
        history.judged((Message(role="user", content=long),), [long], [judgment(0, long)])
        (shown,) = history.summary()["latest"]
        assert shown["prompt"] == shown["text"] == shown["responses"][0] == "x" * EXCERPT + " …"

    def test_latency_is_that_of_answers(self) -> None:
        history = History()
        assert history.summary()["latency"] == {"p50": None, "p99": None}
        for number in range(100):
            history.request(number / 100, ok=True)
        history.request(1000, ok=False)
        summary = history.summary()
        assert summary["latency"] == {"p50": 0.5, "p99": 0.99} and summary["refused"] == 1
        assert summary["throughput"][-1] == 100 and len(summary["throughput"]) == 60
