"""A judge's model small enough for a test: random weights, every byte a token. And a server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import settings
from learnt import START
from lines import LONGEST, SLOW

os.environ.pop("COLUMNS", None)  # pytest's readline tells xdist's processes that they are 80 wide
settings.register_profile("patient", deadline=None)  # other work slows a machine down at times
settings.load_profile("patient")

Script = Callable[[int, dict[str, Any], Any], Awaitable[Any]]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where there are several processes."""
    from lines import LinesScheduling

    return LinesScheduling(config, log)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in SLOW or "quickstart_home" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What tests of learning measured, of those that passed too: `record_property("figures", ...)`.

    A property comes from xdist's processes as well; what they print does not.
    """
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == "figures":
                    terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {value}")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a two-layer Qwen3 that writes printable ASCII, and its tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*letters, *special])}
    bare = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHATML,
    )
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=1024,
        initializer_range=0.4,  # wide enough for greedy text to vary
        eos_token_id=vocabulary["<|im_end|>"],
        pad_token_id=vocabulary["<|endoftext|>"],
    )
    model = Qwen3ForCausalLM(config)
    printable = {chr(code) for code in range(33, 127)} | {"<|im_end|>"}
    model.generation_config.suppress_tokens = [
        number for token, number in vocabulary.items() if token not in printable
    ]
    directory = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def quickstart_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished runs/quickstart: the real one, some minutes of two cores."""
    home = tmp_path_factory.mktemp("home")
    j1 = str(Path(sys.executable).with_name("j1"))
    command = [j1, "quickstart", "--out", "runs/quickstart", "--seed", str(START)]
    done = subprocess.run(
        command, cwd=home, capture_output=True, text=True, timeout=3000, check=False
    )
    assert done.returncode == 0, done.stderr
    return home


class ChatServer:
    """A real HTTP server on a thread of its own, which does what `script` says.

    A script is called with the number of the request, from 0, its body and the aiohttp request;
    it returns a response, or the JSON of one.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self.asked: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.models: list[str] = []
        self.template: Callable[[dict[str, Any]], str] | None = None
        """What `/tokenize` renders, as vLLM does; nobody knows of it without one."""
        self.under_way, self.most, self.gone = 0, 0, 0
        """Requests now, the most at once, and those whose client went away."""

    def __enter__(self) -> ChatServer:
        started: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{started.result(timeout=10)}/v1"
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _run(self, started: Future[int]) -> None:
        self._loop.run_until_complete(self._start(started))
        self._loop.run_forever()

    async def _start(self, started: Future[int]) -> None:
        from aiohttp import web

        app = web.Application(client_max_size=2**24)
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_post("/detokenize", self._detokenize)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        started.set_result(self._runner.addresses[0][1])

    async def _answer(self, request: Any) -> Any:
        from aiohttp import web

        number, body = len(self.asked), await request.json()
        self.asked.append(body)
        self.headers.append(request.headers)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            answer = await self._script(number, body, request)
            return web.json_response(answer) if isinstance(answer, dict) else answer
        except asyncio.CancelledError:
            self.gone += 1
            raise
        finally:
            self.under_way -= 1

    async def _list(self, request: Any) -> Any:
        from aiohttp import web

        return web.json_response({"data": [{"id": model} for model in self.models]})

    async def _tokenize(self, request: Any) -> Any:
        from aiohttp import web

        if self.template is None:
            raise web.HTTPNotFound
        return web.json_response({"tokens": list(map(ord, self.template(await request.json())))})

    async def _detokenize(self, request: Any) -> Any:
        from aiohttp import web

        tokens = (await request.json())["tokens"]
        return web.json_response({"prompt": "".join(map(chr, tokens))})


@pytest.fixture
def chat_server() -> Iterator[Callable[[Script], ChatServer]]:
    """Starts servers, which end with the test."""
    with ExitStack() as servers:
        yield lambda script: servers.enter_context(ChatServer(script))


@pytest.fixture
def heeding_interrupts() -> Iterator[None]:
    """A process that a shell puts in the background is born ignoring Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
