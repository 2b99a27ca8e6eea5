"""A judge as AReaL's reward function, called by its own wrapper in its own processes.

The wrapper is loaded from its file: the package around it wants far more installed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from connected import ConnectedContract
from pages import section
from reward_client import pointwise

from j1sdk import PairwiseScores, Pointwise
from j1sdk.adapters import Adapter
from j1sdk.adapters.areal import AReaL
from j1sdk.cli import j1
from j1sdk.errors import UnscoredError
from j1sdk.server import Serve, served
from j1sdk.testing import Row, judge_by_rule, worth


@asynccontextmanager
async def untraced(phase: str) -> AsyncIterator[None]:
    yield


class Stats:
    """Where AReaL counts rewards."""

    def scalar(self, **values: float) -> None:
        """Nobody looks."""


STANDING_IN: dict[str, dict[str, Any]] = {
    "areal": {"workflow_context": SimpleNamespace(stat_scope=lambda: "rollout")},
    "areal.api": {
        **dict.fromkeys(("InferenceEngine", "ModelResponse", "RolloutWorkflow"), object),
        "ModelRequest": SimpleNamespace,
    },
    "areal.api.cli_args": {"GenerationHyperparameters": object},
    "areal.utils": {"stats_tracker": SimpleNamespace(get=lambda scope: Stats())},
    "areal.utils.dynamic_import": {"import_from_string": None},
    "areal.utils.hf_utils": {"apply_chat_template": None},
    "areal.utils.perf_tracer": {
        "atrace_session_phase": untraced,
        "session_context": lambda: lambda method: method,
        "trace_session": lambda phase: lambda method: method,
    },
}
"""Of what its workflow imports: what wants far more installed, and what traces and counts."""
spec = importlib.util.find_spec("areal")
assert spec and spec.submodule_search_locations
for package in ("areal", "areal.api", "areal.utils", "areal.workflow"):
    module = ModuleType(package)
    folder = Path(spec.submodule_search_locations[0], *package.split(".")[1:])
    module.__path__ = [str(folder)]
    module.__spec__ = ModuleSpec(package, None, is_package=True)
    module.__spec__.submodule_search_locations = module.__path__
    sys.modules[package] = module

from areal.api.reward_api import AsyncRewardWrapper  # noqa: E402

for package, names in STANDING_IN.items():
    module = sys.modules.setdefault(package, ModuleType(package))
    for name, stand_in in names.items():
        setattr(module, name, stand_in)
sys.modules["areal.api"].AsyncRewardWrapper = AsyncRewardWrapper  # type: ignore[attr-defined]

RENDERED = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(autouse=True)
def _own_processes() -> Iterator[None]:
    """Anew for each test: they inherit the environment."""
    yield
    AsyncRewardWrapper._atexit_shutdown_all()


def imported(path: str) -> Callable[..., float]:
    """As AReaL imports a function by its path."""
    module, _, name = path.rpartition(".")
    function: Callable[..., float] = getattr(importlib.import_module(module), name)
    return function


def connected(
    monkeypatch: pytest.MonkeyPatch, url: str, folder: Path, *settings: str
) -> Callable[..., float]:
    """What `j1 connect` printed, done: the variable set, and the function imported."""
    words = ["connect", "areal", "--url", url, "--to", str(folder)]
    for setting in settings:
        words += ["--set", setting]
    result = CliRunner().invoke(j1, words)
    assert result.exit_code == 0, result.output
    variable, _, file = result.stdout.splitlines()[0].removeprefix("export ").partition("=")
    monkeypatch.setenv(variable, file)
    return imported("j1sdk.adapters.areal.reward_fn")


def rewards(function: Callable[..., float], rows: Sequence[Row]) -> list[float | None]:
    """By AReaL's wrapper, without its further tries; None where the episode is rejected."""

    async def all_at_once() -> list[Any]:
        wrapped = AsyncRewardWrapper(function, max_workers=2, max_retries=0)
        calls = (
            wrapped(
                RENDERED.format(row.prompt), f"{row.response}<|im_end|>", [1], [2],
                gold=row.reference,
            )
            for row in rows
        )  # fmt: skip
        return list(await asyncio.gather(*calls, return_exceptions=True))

    made = asyncio.run(all_at_once())
    for reward in made:
        if isinstance(reward, BaseException) and not isinstance(reward, UnscoredError):
            raise reward
    return [None if isinstance(reward, UnscoredError) else reward for reward in made]


class TestAReaL(ConnectedContract):
    component = AReaL()
    grouped = False

    @pytest.fixture(autouse=True)
    def _own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch

    def test_a_used_adapter_works_in_a_forked_process(self) -> None:
        """AReaL's processes are forked from one that has asked the judge already."""
        with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
            function = connected(self.patch, server.url, self.folder)
            assert function(RENDERED.format("?"), "It is worth 7.", [1], [2]) == 0.7
            assert rewards(function, worth(7, 2)) == [0.7, 0.2]

    def connected(self, adapter: Adapter, file: Path, rows: Sequence[Row]) -> list[float | None]:
        self.patch.setenv("J1_CONNECTION", str(file))
        AsyncRewardWrapper._atexit_shutdown_all()  # processes that know the file before
        made = rewards(imported("j1sdk.adapters.areal.reward_fn"), rows)
        return made


class Engine:
    """AReaL's inference engine, as a workflow sees it: it has written this."""

    def __init__(self, written: str) -> None:
        self._written = written

    async def agenerate(self, request: Any) -> Any:
        ids = list(self._written.encode())
        return SimpleNamespace(
            input_tokens=request.input_ids, input_len=len(request.input_ids),
            output_tokens=ids, output_len=len(ids),
            output_logprobs=[0.0] * len(ids), output_versions=[0] * len(ids),
        )  # fmt: skip


class Letters:
    """A tokenizer whose tokens are bytes."""

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).decode()


class Generation:
    """AReaL's options of generation, as a workflow uses them."""

    def new_with_stop_and_pad_token_ids(self, tokenizer: Any) -> Generation:
        return self

    def new(self, **changes: Any) -> Generation:
        return self


class TestWorkflow(TestAReaL):
    """The same by the workflow: its own episode, one for each rollout, all under way at once."""

    def connected(self, adapter: Adapter, file: Path, rows: Sequence[Row]) -> list[float | None]:
        self.patch.setenv("J1_CONNECTION", str(file))
        workflow: Any = imported("j1sdk.adapters.areal.J1Workflow")
        made = workflow(Generation(), Letters(), get_input_ids_fn=lambda *_: [63])

        async def all_at_once() -> list[Any]:
            episodes = [
                made.arun_episode(
                    Engine(f"{row.response}<|im_end|>"),
                    {"messages": [{"role": "user", "content": row.prompt}], "gold": row.reference},
                )
                for row in rows
            ]
            return list(await asyncio.gather(*episodes))

        episodes = asyncio.run(all_at_once())
        return [one and round(one["rewards"].item(), 6) for one in episodes]

    def test_a_slow_judge_is_waited_for(self) -> None:
        def slow(question: str) -> str:
            time.sleep(0.5)
            return Pointwise().write((9.0,))

        with served(pointwise(slow), Serve(port=0, warm_up=False)) as server:
            adapter = AReaL(url=server.url)
            assert self.call(adapter, adapter.scorer(None), worth(9)) == [0.9]


def test_a_pairwise_judge_compares_with_a_column(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [Row(f"It is worth {value}.", reference="It is worth 4.") for value in (3, 4, 9)]
    with served(judge_by_rule(PairwiseScores()), Serve(port=0)) as server:
        function = connected(monkeypatch, server.url, tmp_path, "adapter.reference_column=gold")
        assert rewards(function, rows) == [0.0, 0.5, 1.0]


def test_a_slow_judge_is_an_error_and_not_the_wrapper_s_zero(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def slow(question: str) -> str:
        time.sleep(1.5)
        return Pointwise().write((9.0,))

    with served(pointwise(slow), Serve(port=0, warm_up=False)) as server:
        function = connected(monkeypatch, server.url, tmp_path, "adapter.deadline=0.4")
        assert rewards(function, worth(9)) == [None]


def test_a_dead_server_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    function = connected(monkeypatch, "http://127.0.0.1:1", tmp_path, "adapter.deadline=0.4")
    assert rewards(function, worth(9, 3)) == [None, None]


def test_the_page_shows_what_is_printed() -> None:
    shown = section("frameworks", "AReaL")
    assert "export J1_CONNECTION=conf/areal.toml" in shown
    assert 'workflow="j1sdk.adapters.areal.J1Workflow"' in shown
