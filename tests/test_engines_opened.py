"""A used engine is its options: it compares, copies, pickles and forks as an unused one."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from asking import ask

from j1sdk import (
    Cached,
    ConfigError,
    Engine,
    JudgeRewardModel,
    OpenAI,
    PairwiseVerdict,
    Sampling,
    Scripted,
    Transformers,
    Vote,
)
from j1sdk.background import run
from j1sdk.engines.opened import Opened
from j1sdk.engines.vllm import VLLM

if TYPE_CHECKING:
    from tests.conftest import ChatServer, Script

Serve = Callable[["Script"], "ChatServer"]
SHORT = Sampling(max_new_tokens=4)
KINDS = ("scripted", "transformers", "openai", "cached", "vllm")


async def echo(number: int, body: dict[str, Any], request: Any) -> Any:
    message = {"role": "assistant", "content": body["messages"][-1]["content"]}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def use(engine: Engine) -> str:
    """What it says; of one that cannot be started here, what it reserves."""
    if isinstance(engine, VLLM):
        return str(sorted(engine.reserved))
    return run(engine.complete(ask("hi"), SHORT)).text


@pytest.fixture(params=KINDS)
def unused(
    request: pytest.FixtureRequest, tiny_model: Path, tmp_path: Path, chat_server: Serve
) -> Engine:
    model = {"model": str(tiny_model), "dtype": "float32"}
    kinds: dict[str, Callable[[], Engine]] = {
        "scripted": lambda: Scripted(answers=("a", "b")),
        "transformers": lambda: Transformers(**model, device="cpu"),
        "openai": lambda: OpenAI(model="judge", base_url=chat_server(echo).url),
        "cached": lambda: Cached(
            engine=Transformers(**model, device="cpu"), path=tmp_path / "cache.sqlite"
        ),
        "vllm": lambda: VLLM(**model),
    }
    return kinds[request.param]()


@pytest.fixture
def used(unused: Engine) -> Any:
    """An equal engine that has been used."""
    engine = unused.replace()
    assert use(engine)
    yield engine
    run(engine.close())


def hash_of(engine: Engine) -> int | None:
    """Options that are dictionaries do not hash."""
    try:
        return hash(engine)
    except TypeError:
        return None


def test_a_used_engine_equals_an_unused_one(unused: Engine, used: Engine) -> None:
    assert used == unused and used is not unused
    assert hash_of(used) == hash_of(unused)
    assert repr(used) == repr(unused) and used.model_dump() == unused.model_dump()
    judges = [JudgeRewardModel(format=PairwiseVerdict(), engine=one) for one in (used, unused)]
    assert judges[0] == judges[1]


COPIES: dict[str, Callable[[Engine], Engine]] = {
    "pickled": lambda engine: pickle.loads(pickle.dumps(engine)),
    "deep-copied": copy.deepcopy,
    "copied": copy.copy,
    "replaced": lambda engine: engine.replace(),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_used_engine_is_an_unused_one(used: Engine, how: str) -> None:
    other = COPIES[how](used)
    assert other == used and type(other) is type(used)
    if isinstance(used, Scripted):
        assert use(used) == "b", "it has used its first answer"
    expected = "a" if isinstance(used, Scripted) else use(used)
    assert use(other) == expected
    run(other.close())
    assert isinstance(used, Scripted) or use(used) == expected, "a copy's close is its own"


def test_a_judge_with_a_used_engine_is_pickled(used: Engine) -> None:
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=used)
    assert pickle.loads(pickle.dumps(judge)) == copy.deepcopy(judge) == judge


def test_a_changed_copy_is_validated(unused: Engine) -> None:
    with pytest.raises(ConfigError, match="unknown key 'modell'"):
        unused.replace(modell="x")
    with pytest.raises(ConfigError):
        Transformers(model="x").replace(batch_size=0)
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Transformers(model="x"))
    with pytest.raises(ConfigError, match="would draw one judgment"):
        judge.replace(scaling=Vote(n=3))
    assert judge.replace(orders="first").orders == "first" and judge.orders == "both"


def trained(model: Path, folder: Path) -> Path:
    """The same model with other weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    other = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.no_grad():
        for weight in other.parameters():
            weight.neg_()
    other.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def test_another_model_is_opened_and_saved(tiny_model: Path, tmp_path: Path) -> None:
    engine = Transformers(model=str(tiny_model), device="cpu", dtype="float32")
    before, new = use(engine), trained(tiny_model, tmp_path / "new")
    fresh = Transformers(model=str(new), device="cpu", dtype="float32")
    for other in (engine.replace(model=str(new)), around(tiny_model).replace(model=str(new))):
        assert use(other) == use(fresh) != before
        assert use(other.save(tmp_path / "saved")) == use(fresh)
    assert use(engine) == before


def around(model: Path, **options: Any) -> Transformers:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(model, dtype="float32")
    return Transformers.around(loaded, AutoTokenizer.from_pretrained(model), **options)


def test_a_model_in_memory_is_an_option_that_is_never_written_down(tiny_model: Path) -> None:
    engine = around(tiny_model)
    assert use(engine)
    for same in (engine.replace(), copy.deepcopy(engine), copy.copy(engine)):
        assert same == engine and use(same) == use(engine)
    fewer = engine.replace(batch_size=2)
    assert fewer != engine and fewer.in_memory is engine.in_memory
    assert engine != around(tiny_model), "another model of the same name"
    assert engine != Transformers(model=engine.model)
    assert "in_memory" not in engine.model_dump() and "in_memory" not in repr(engine)


def test_a_model_in_memory_cannot_leave_the_process(tiny_model: Path, tmp_path: Path) -> None:
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=around(tiny_model))
    with pytest.raises(ConfigError, match=r"only in this process's memory .* save the judge"):
        pickle.dumps(judge)
    with pytest.raises(ConfigError, match="is only in memory, and may change there: save"):
        Cached(engine=judge.engine, path=tmp_path / "cache").accept(SHORT)
    with pytest.raises(ConfigError, match="takes no adapter"):
        judge.engine.replace(adapter="x")


def test_two_event_loops_share_what_is_open(used: Engine) -> None:
    if isinstance(used, (VLLM, Scripted)):
        pytest.skip("nothing of it is bound to a loop here")
    said = [run(used.complete(ask("hi"), SHORT)).text]
    threads = [
        threading.Thread(
            target=lambda: said.append(asyncio.run(used.complete(ask("hi"), SHORT)).text)
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 3 and len(set(said)) == 1


def test_a_closed_engine_opens_again(used: Engine) -> None:
    expected = "b" if isinstance(used, Scripted) else use(used)
    for _ in range(2):
        run(used.close())
    assert use(used) == expected


class Thing:
    """What can be opened; counts how many are."""

    open_now: ClassVar[set[Thing]] = set()

    def __init__(self, engine: Engine) -> None:
        time.sleep(0.01)  # long enough for others to come
        self.open_now.add(self)

    def close(self) -> None:
        self.open_now.discard(self)


class Opening(Scripted):
    name = "opening"
    _thing: ClassVar[Opened[Opening, Thing]] = Opened(Thing, Thing.close)


def test_threads_that_come_first_at_once_open_one_thing() -> None:
    seen: set[Thing] = set()

    def open_at_once(engine: Opening) -> None:
        threads = [threading.Thread(target=lambda: seen.add(engine._thing)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 1 and Thing.open_now == seen

    open_at_once(Opening())
    gc.collect()
    assert not Thing.open_now, "what a garbage engine had open is closed"


def test_what_fails_to_open_is_tried_again() -> None:
    tries = iter((ConfigError("not yet"), "open"))

    class Later(Scripted):
        _thing: ClassVar[Opened[Later, Any]] = Opened(lambda engine: give(next(tries)))

    def give(thing: Any) -> Any:
        if isinstance(thing, Exception):
            raise thing
        return thing

    engine = Later()
    with pytest.raises(ConfigError, match="not yet"):
        assert engine._thing
    assert engine._thing == "open"


def batcher_threads() -> int:
    return sum(thread.name == "j1-batcher" for thread in threading.enumerate())


def test_a_model_that_nobody_holds_is_let_go(tiny_model: Path) -> None:
    from weakref import ref

    before = batcher_threads()
    engine = around(tiny_model)
    use(engine)
    assert engine.in_memory
    model = ref(engine.in_memory.model)
    del engine
    for _ in range(200):
        gc.collect()
        if model() is None and batcher_threads() == before:
            return
        time.sleep(0.01)
    raise AssertionError("the model or the thread that served it is still there")


PROGRAM = """
import gc, os, sys, time
from pathlib import Path
from j1sdk import *
from j1sdk.background import run

def say(text, engine):
    return run(engine.complete((Message(role="user", content=text),), Sampling(max_new_tokens=4)))

engine = {engine}
before = say("hi", engine)
child = os.fork()
if not child:
    {child}
    assert say("hi", engine) == before
    engine = None
    gc.collect()
    {end}
begun = time.monotonic()
while os.waitpid(child, os.WNOHANG) == (0, 0):
    assert time.monotonic() - begun < 60, os.kill(child, 9) or "the child hangs"
    time.sleep(0.01)
    {meanwhile}
begun = time.monotonic()
assert say("hi", engine) == before
assert say("hi again", engine)
print(time.monotonic() - begun)
run(engine.close())
"""
ENDS = {"abrupt": "os._exit(0)", "ordinary": "sys.exit(0)"}


def seconds_after_a_fork(end: str = "abrupt", **program: str) -> float:
    """How long the parent's requests take when its child has ended."""
    parts = {"child": "", "meanwhile": "", **program, "end": ENDS[end]}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM.format(**parts)]
    threads = {name: "2" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **threads}
    )
    quiet = not re.search("Traceback|Exception ignored|Unclosed|destroyed", done.stderr)
    assert done.returncode == 0 and quiet, done.stderr
    return float(done.stdout)


@pytest.mark.parametrize("end", ENDS)
def test_a_forked_child_leaves_its_parent_s_connections_alone(chat_server: Serve, end: str) -> None:
    engine = f"OpenAI(model='judge', base_url={chat_server(echo).url!r}, timeout=20.0)"
    for child in ("", "run(engine.close())", "del engine; gc.collect(); sys.exit(0)"):
        assert seconds_after_a_fork(end, engine=engine, child=child) < 10


def test_parent_and_child_ask_a_server_at_once(chat_server: Serve) -> None:
    engine = f"OpenAI(model='judge', base_url={chat_server(echo).url!r}, timeout=20.0)"
    child = "[say(str(n), engine) for n in range(50)]"
    meanwhile = "assert say('and I', engine).text == 'and I'"
    assert seconds_after_a_fork(engine=engine, child=child, meanwhile=meanwhile) < 10


@pytest.mark.parametrize("end", ENDS)
def test_a_model_is_opened_anew_in_a_forked_child(tiny_model: Path, end: str) -> None:
    engine = f"Transformers(model={str(tiny_model)!r}, dtype='float32', device='cpu')"
    assert seconds_after_a_fork(end, engine=engine) < 60


def test_a_model_in_memory_is_used_in_a_forked_child(tiny_model: Path) -> None:
    from_disk = f"Transformers(model={str(tiny_model)!r}, dtype='float32', device='cpu')"
    engine = f"(lambda w: Transformers.around(w.model, w.tokenizer))({from_disk}._weights)"
    assert seconds_after_a_fork(engine=engine) < 60


def test_a_cache_is_opened_anew_in_a_forked_child(tiny_model: Path, tmp_path: Path) -> None:
    model = f"Transformers(model={str(tiny_model)!r}, dtype='float32', device='cpu')"
    engine = f"Cached(engine={model}, path=Path({str(tmp_path / 'cache')!r}))"
    assert seconds_after_a_fork("ordinary", engine=engine) < 60
