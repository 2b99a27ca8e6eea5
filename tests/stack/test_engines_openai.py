"""The engine against a real `vllm serve`, which is killed. Run by `make test-stack`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from asking import ask

from j1sdk import (
    Completion,
    ConfigError,
    Conversation,
    EngineError,
    JudgeRewardModel,
    JudgmentStatus,
    JudgmentTask,
    OpenAI,
    PairwiseVerdict,
    Presentation,
    Sampling,
    Transformers,
)
from j1sdk.background import run
from j1sdk.engines import cut_after
from j1sdk.testing import EngineContract

pytestmark = pytest.mark.stack

PROMPTS = ("hi", "hello there", "what is this?", "a rather longer request than all the others")
STARTING = 300.0
"""Seconds that vLLM may take to start where everything is busy."""


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def serving(model: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server with a process group of its own, as its engine is another process.

    `vllm serve` itself does not run on the CPU build, whose distribution has another name.
    """
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--port", str(port), "--host", "127.0.0.1", "--served-model-name", "judge"]
    command += ["--dtype", "float32", "--enforce-eager", "--gpu-memory-utilization", "0.1"]
    command += ["--trust-request-chat-template"]
    with subprocess.Popen(command, start_new_session=True) as server:
        try:
            wait_until_healthy(server, port)
            yield server
        finally:
            kill(server)


def kill(server: subprocess.Popen[bytes]) -> None:
    """With -9, and everything it started."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def wait_until_healthy(server: subprocess.Popen[bytes], port: int) -> None:
    ends = time.monotonic() + STARTING
    while True:
        assert server.poll() is None and time.monotonic() < ends, "vllm serve did not start"
        with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return
        time.sleep(0.5)


def engine_at(port: int, **options: Any) -> OpenAI:
    known = {"model": "judge", "base_url": f"http://127.0.0.1:{port}/v1", "server": "vllm"}
    return OpenAI(**{**known, **options})


@pytest.fixture(scope="module")
def port(stack_model: Path) -> Iterator[int]:
    """Of a server that lives as long as this module's other tests."""
    port = free_port()
    with serving(stack_model, port):
        yield port


@pytest.fixture(scope="module")
def engine(port: int) -> Iterator[OpenAI]:
    engine = engine_at(port)
    yield engine
    run(engine.close())


def one(engine: OpenAI | Transformers, conversation: Conversation, **sampling: Any) -> Completion:
    return run(engine.complete(conversation, Sampling(**{"max_new_tokens": 24, **sampling})))


class TestContract(EngineContract):
    @pytest.fixture(autouse=True)
    def _component(self, engine: OpenAI) -> None:
        self.component = engine


class TestContractOfAnyServer(EngineContract):
    @pytest.fixture(autouse=True)
    def _component(self, port: int) -> None:
        self.component = engine_at(port, server="any")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_text_is_that_of_transformers(
    engine: OpenAI, reference: Transformers, prompt: str
) -> None:
    assert one(engine, ask(prompt)) == one(reference, ask(prompt))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_continuation_is_what_the_beginning_implies(
    engine: OpenAI, reference: Transformers, prompt: str
) -> None:
    whole = one(engine, ask(prompt))
    begun = ask(prompt, whole.text[:7])
    rest = one(engine, begun, max_new_tokens=17)
    assert rest.text == whole.text[7:]
    assert rest.prompt_tokens == whole.prompt_tokens + 7
    assert rest == one(reference, begun, max_new_tokens=17)


def test_a_template_that_changes_thinking_is_found_out(stack_model: Path, engine: OpenAI) -> None:
    begun = ask("hi", begun="<think>\nso")
    assert one(engine, begun).completion_tokens == 24, "its template is faithful"
    known = (stack_model / "chat_template.jinja").read_text()
    assert "message.content" in known
    altered = known.replace("message.content", "'<think></think>' ~ message.content")
    body = {"chat_template": altered}
    with pytest.raises(ConfigError, match="changes thinking"):
        one(engine.replace(body=body), begun)


def test_the_stop_string_stays_in_the_text(engine: OpenAI, reference: Transformers) -> None:
    whole = one(engine, ask("hi")).text
    stopped = one(engine, ask("hi"), stop=("never", whole[2:5]))
    assert (stopped.text, stopped.finish_reason) == (whole[:5], "stop")
    assert stopped == one(reference, ask("hi"), stop=("never", whole[2:5]))


def test_special_tokens_are_shown_and_can_be_stopped_at(engine: OpenAI) -> None:
    hot: dict[str, Any] = {"temperature": 2.0, "max_new_tokens": 200}
    drawn = [one(engine, ask("hi"), seed=seed, **hot) for seed in range(24)]
    assert not any("<|im_end|>" in completion.text for completion in drawn)
    seed, shown = next(
        (seed, one.text) for seed, one in enumerate(drawn) if "<|im_start|>" in one.text
    )
    stopped = one(engine, ask("hi"), seed=seed, stop=("<|im_start|>",), **hot)
    assert stopped.text == cut_after(shown, ["<|im_start|>"])


@pytest.mark.parametrize(("letters", "limit"), [(990, 1000), (2, 4000)])
def test_a_limit_that_the_context_has_no_room_for_is_refused_in_vllm_s_words(
    engine: OpenAI, letters: int, limit: int
) -> None:
    with pytest.raises(EngineError, match=r"400 .*(maximum context length|fewer output tokens)"):
        one(engine, ask("x" * letters), max_new_tokens=limit)


def test_a_prompt_beyond_the_context_is_an_engine_error_in_vllm_s_words(engine: OpenAI) -> None:
    with pytest.raises(EngineError, match=r"400 .*context length"):
        one(engine, ask("x" * 2000))


def test_a_model_it_does_not_serve_is_answered_with_what_it_does(port: int) -> None:
    with pytest.raises(EngineError, match=r"404 .*Models it serves: judge"):
        one(engine_at(port, model="other"), ask("hi"))


async def together(engine: OpenAI, asked: Sequence[Conversation]) -> list[str]:
    sampling = Sampling(max_new_tokens=200)
    written = await asyncio.gather(*(engine.complete(one, sampling) for one in asked))
    return [completion.text for completion in written]


class Short(PairwiseVerdict):
    """Within a context of 1024 letters."""

    name = "short"

    def render(self, shown: Presentation) -> Conversation:
        return ask(f"{shown.prompt[0].content}: {' or '.join(shown.responses)}?")


TASKS = [JudgmentTask.from_pair(f"{n}+1", chosen=f"{n + 1}", rejected="0") for n in range(64)]


def test_a_server_killed_amid_a_batch_and_started_again_loses_nothing(stack_model: Path) -> None:
    port = free_port()
    patient = engine_at(port, concurrency=16, retries=100, deadline=2 * STARTING)
    judge = JudgeRewardModel(format=Short(), engine=patient, sampling=Sampling(max_new_tokens=200))
    with ThreadPoolExecutor(1) as pool:
        with serving(stack_model, port) as doomed:
            judging = pool.submit(judge.judge, TASKS)
            time.sleep(1.0)
            kill(doomed)
            assert not judging.done(), "it was killed too late to prove anything"
        with serving(stack_model, port):
            judgments = [one for result in judging.result(600) for one in result.judgments]
            again = [one for result in judge.judge(TASKS) for one in result.judgments]
    statuses = Counter(judgment.status for judgment in judgments)
    assert JudgmentStatus.ENGINE_ERROR not in statuses and statuses.total() == 128
    assert judgments == again, "what was written depends on the crash"


def test_a_server_that_stays_down_is_a_status_of_every_judgment(stack_model: Path) -> None:
    port = free_port()
    hasty = engine_at(port, concurrency=16, retries=2)
    judge = JudgeRewardModel(format=Short(), engine=hasty, sampling=Sampling(max_new_tokens=200))
    with ThreadPoolExecutor(1) as pool, serving(stack_model, port) as doomed:
        judging = pool.submit(judge.judge, TASKS)
        time.sleep(1.0)
        kill(doomed)
        judgments = [one for result in judging.result(60) for one in result.judgments]
    failed = [one for one in judgments if one.status is JudgmentStatus.ENGINE_ERROR]
    assert failed and all("failed 3 times" in judgment.detail for judgment in failed)
    assert len(judgments) == 128
