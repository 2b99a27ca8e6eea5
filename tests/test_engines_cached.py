"""The cached engine: what is the same question, and that it is paid for once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from asking import ask
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import PrivateAttr

from j1sdk import (
    Cached,
    Completion,
    ConfigError,
    Conversation,
    Engine,
    EngineError,
    JudgeRewardModel,
    Message,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Scripted,
    Transformers,
)
from j1sdk.background import run
from j1sdk.testing import EngineContract

GREEDY, SEEDED = Sampling(), Sampling(temperature=1.0, seed=1)
UNSEEDED = Sampling(temperature=0.7)


class TestCachedScripted(EngineContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def build(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        talker = Scripted(script=lambda asked, sampling: f"{asked[0].content} " * 20)
        cls.component = Cached(engine=talker, path=tmp_path_factory.mktemp("cache") / "said")
        yield
        run(cls.component.close())


class TestCachedTransformers(EngineContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def build(cls, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        model = Transformers(model=str(tiny_model), device="cpu")
        cls.component = Cached(engine=model, path=tmp_path_factory.mktemp("cache") / "said")
        yield
        run(cls.component.close())


class Slow(Engine):
    """Counts what it is asked, and has not finished while its gate is shut; may fail."""

    name = "slow"
    fails: bool = False
    _gate: Event = PrivateAttr(default_factory=Event)
    _begun: list[Conversation] = PrivateAttr(default_factory=list)
    _ended: list[str] = PrivateAttr(default_factory=list)

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self._begun.append(conversation)
        try:
            await until(self._gate.is_set)
        except asyncio.CancelledError:
            self._ended.append("given up")
            raise
        self._ended.append("finished")
        if self.fails:
            raise EngineError("the server is down")
        return Completion(text=conversation[-1].content.upper())


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.002)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.fixture
def slow(path: Path) -> Iterator[Cached]:
    engine = Cached(engine=Slow(), path=path)
    inner(engine)._gate.set()
    yield engine
    run(engine.close())


def inner(engine: Cached) -> Slow:
    assert isinstance(engine.engine, Slow)
    return engine.engine


def completed(engine: Engine, text: str = "hi", sampling: Sampling = GREEDY) -> Completion:
    return run(engine.complete(ask(text), sampling))


def counts(engine: Cached) -> tuple[int, int]:
    return engine.hits, engine.misses


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED])
def test_what_was_answered_is_never_asked_again(path: Path, sampling: Sampling) -> None:
    long = Completion(text="a b", finish_reason="length", prompt_tokens=9, completion_tokens=2)
    for time_, expected in enumerate([(1, 1), (2, 0), (2, 0)]):
        asked = Scripted(script=lambda *_: long)
        engine = Cached(engine=asked, path=path)
        assert [completed(engine, sampling=sampling) for _ in range(2)] == [long, long]
        assert counts(engine) == expected and len(asked.asked) == (not time_)
        run(engine.close())


def test_a_closed_cache_opens_again_when_it_is_asked(slow: Cached) -> None:
    assert completed(slow).text == "HI"
    run(slow.close())
    assert completed(slow).text == "HI" and counts(slow) == (1, 1)


def test_errors_are_not_kept(path: Path) -> None:
    engine = Cached(engine=Slow(fails=True), path=path)
    inner(engine)._gate.set()
    for _ in range(2):
        with pytest.raises(EngineError, match="the server is down"):
            completed(engine)
    assert len(inner(engine)._begun) == 2 and counts(engine) == (0, 2)
    run(engine.close())


def test_what_has_no_one_answer_is_passed_through(slow: Cached, path: Path) -> None:
    assert [completed(slow, sampling=UNSEEDED).text for _ in range(2)] == ["HI", "HI"]
    assert len(inner(slow)._begun) == 2 and counts(slow) == (0, 0)
    assert not path.exists()


def test_a_judge_that_draws_without_a_seed_is_refused(slow: Cached) -> None:
    with pytest.raises(ConfigError, match=r"temperature 0\.7 .* set sampling\.seed"):
        slow.accept(UNSEEDED)
    with pytest.raises(ConfigError, match=r"set sampling\.seed"):
        JudgeRewardModel(format=PairwiseVerdict(), engine=slow, sampling=UNSEEDED)
    seeded = UNSEEDED.replace(seed=0)
    assert JudgeRewardModel(format=PairwiseVerdict(), engine=slow, sampling=seeded)


def test_a_path_that_cannot_be_opened_is_refused_at_the_start(tmp_path: Path) -> None:
    engine = Cached(engine=Slow(), path=tmp_path)
    for refused in (lambda: engine.accept(GREEDY), lambda: completed(engine)):
        with pytest.raises(ConfigError, match=f"cannot open {tmp_path} as a cache"):
            refused()
    with pytest.raises(ConfigError, match=f"cannot open {tmp_path} as a cache"):
        JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    assert inner(engine)._begun == []


class Particular(Slow):
    """An engine with an opinion on everything."""

    name = "particular"
    _closed: list[bool] = PrivateAttr(default_factory=list)

    @property
    def reserved(self) -> frozenset[str]:
        return frozenset({"<only>"})

    @property
    def continues(self) -> bool:
        return False

    def accept(self, sampling: Sampling) -> None:
        raise ConfigError("not with me")

    async def close(self) -> None:
        self._closed.append(True)


def test_everything_else_is_the_other_engines(path: Path, tmp_path: Path) -> None:
    particular = Particular()
    engine = Cached(engine=particular, path=path)
    assert engine.reserved == {"<only>"} and not engine.continues
    assert engine.identity == Cached(engine=engine, path=tmp_path).identity == particular.identity
    assert engine.save(tmp_path) is particular
    with pytest.raises(ConfigError, match="not with me"):
        engine.accept(GREEDY)
    run(engine.close())
    assert particular._closed == [True]


def test_a_saved_judge_names_the_model_and_not_the_cache(tiny_model: Path, tmp_path: Path) -> None:
    model = Transformers(model=str(tiny_model), device="cpu", dtype="float32")
    engine = Cached(engine=model, path=tmp_path / "cache.sqlite")
    JudgeRewardModel(format=Pointwise(), engine=engine).save(tmp_path / "judge")
    loaded = JudgeRewardModel.load(tmp_path / "judge").engine
    assert type(loaded) is Transformers
    assert loaded.model_dump() == {**model.model_dump(), "model": str(tmp_path / "judge")}


async def gathered(engine: Engine, count: int, failing: bool = False) -> list[Any]:
    asked = [engine.complete(ask("hi"), GREEDY) for _ in range(count)]
    return list(await asyncio.gather(*asked, return_exceptions=failing))


def test_one_question_in_flight_is_asked_once(slow: Cached) -> None:
    assert {one.text for one in run(gathered(slow, 20))} == {"HI"}
    assert len(inner(slow)._begun) == 1 and counts(slow) == (19, 1)


def test_also_where_threads_have_loops_of_their_own(slow: Cached) -> None:
    found: list[Completion] = []
    inner(slow)._gate.clear()

    def ask_in_a_loop() -> None:
        found.extend(asyncio.run(gathered(slow, 3)))

    threads = [Thread(target=ask_in_a_loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    run(until(lambda: slow.hits == 11))
    inner(slow)._gate.set()
    for thread in threads:
        thread.join()
    assert [one.text for one in found] == ["HI"] * 12 and len(inner(slow)._begun) == 1


def test_an_error_is_everybodys_who_waits(path: Path) -> None:
    engine = Cached(engine=Slow(fails=True), path=path)
    inner(engine)._gate.set()
    errors = run(gathered(engine, 5, failing=True))
    assert [type(one) for one in errors] == [EngineError] * 5 and len(inner(engine)._begun) == 1
    run(engine.close())


async def with_cancelled(engine: Cached, cancelled: int, staying: int) -> list[Any]:
    """What those who stay get when the first ones are cancelled."""
    inner(engine)._gate.clear()
    asked = [engine.complete(ask("hi"), GREEDY) for _ in range(cancelled + staying)]
    waiting = [asyncio.create_task(one) for one in asked]
    await until(lambda: inner(engine)._begun and sum(counts(engine)) == len(waiting))
    for task in waiting[:cancelled]:
        task.cancel()
    results = await asyncio.gather(*waiting[:cancelled], return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in results)
    if not staying:
        await until(lambda: inner(engine)._ended)
    inner(engine)._gate.set()
    return list(await asyncio.gather(*waiting[cancelled:]))


@pytest.mark.parametrize("go", [run, asyncio.run], ids=["background", "own loop"])
def test_who_is_cancelled_takes_nobody_along(slow: Cached, go: Any) -> None:
    assert go(with_cancelled(slow, 3, 2)) == [Completion(text="HI")] * 2
    assert inner(slow)._ended == ["finished"] and len(inner(slow)._begun) == 1


@pytest.mark.parametrize("go", [run, asyncio.run], ids=["background", "own loop"])
def test_what_nobody_waits_for_is_given_up_and_asked_anew(slow: Cached, go: Any) -> None:
    assert go(with_cancelled(slow, 3, 0)) == []
    assert completed(slow).text == "HI"
    assert inner(slow)._ended == ["given up", "finished"]


messages_ = st.builds(
    Message, role=st.sampled_from(("system", "user", "assistant")),
    content=st.sampled_from(("", "a", "b", "ab", "ä", "\n", '"')),
)  # fmt: skip
conversations = st.lists(messages_, min_size=1, max_size=2).map(tuple)
samplings = st.builds(
    Sampling, temperature=st.sampled_from((0.0, 0.5)), top_p=st.sampled_from((0.5, 1.0)),
    max_new_tokens=st.integers(1, 2), seed=st.sampled_from((0, 1)),
    stop=st.sampled_from(((), ("a",), ("b",), ("a", "b"), ("ab",))),
)  # fmt: skip
engines: st.SearchStrategy[Engine] = st.builds(
    Transformers, model=st.sampled_from(("a/b", "a/c")), adapter=st.none() | st.just("a/c"),
    dtype=st.sampled_from(("auto", "float32")), context=st.none() | st.just(9),
    template_options=st.sampled_from(({}, {"x": 1}, {"x": 2}, {"x": {"y": 1}})),
) | st.builds(Scripted, answers=st.sampled_from(((), ("a",), ("a", "b"))))  # fmt: skip
questions = st.tuples(engines, conversations, samplings)
incidental = st.tuples(st.integers(1, 3), st.sampled_from(("auto", "cpu")), st.sampled_from("xy"))


def key(question: tuple[Engine, Conversation, Sampling], told: tuple[int, str, str]) -> bytes:
    engine, (batch_size, device, path) = question[0], told
    if isinstance(engine, Transformers):
        engine = engine.replace(batch_size=batch_size, device=device)
    return Cached(engine=engine, path=Path(path))._store.key(*question[1:])


@settings(max_examples=300, deadline=None)
@given(data=st.data(), asked=questions, told=st.tuples(incidental, incidental))
def test_a_key_is_all_that_counts_and_nothing_else(data: Any, asked: Any, told: Any) -> None:
    changed = [*asked]
    for place in data.draw(st.sets(st.integers(0, 2), max_size=2)):
        changed[place] = data.draw((engines, conversations, samplings)[place])
    same = tuple(changed) == asked
    assert (key(asked, told[0]) == key(tuple(changed), told[1])) == same


@pytest.mark.parametrize("changed", [(), ("path",)], ids=["one file", "two files"])
def test_a_copy_with_another_engine_has_keys_of_its_own(path: Path, changed: Any) -> None:
    first = Cached(engine=Scripted(answers=("a",)), path=path)
    assert completed(first).text == "a"
    update = {"engine": Scripted(answers=("b",)), **{name: path.with_name("2") for name in changed}}
    other = first.replace(**update)
    assert completed(other).text == "b"
    assert path.with_name("2").exists() == bool(changed)
    run(other.close())
    run(first.close())
