"""What holds of the engine without vLLM; tests/stack has it on the real one."""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import current_thread
from types import SimpleNamespace
from typing import Any

import pytest

from j1sdk import ConfigError, EngineError, Message, MissingExtraError, Sampling
from j1sdk.background import on_background, run
from j1sdk.engines.chat import load_tokenizer, reserved_tokens
from j1sdk.engines.transformers import Transformers
from j1sdk.engines.vllm import OWN_FIELDS, VLLM, adapter_arguments, arguments, read

HI = (Message(role="user", content="hi"),)


@pytest.fixture
def without_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)


@pytest.mark.usefixtures("without_vllm")
def test_without_vllm_it_says_what_to_install(tiny_model: Path) -> None:
    engine = VLLM(model=str(tiny_model))
    for _ in range(2):
        with pytest.raises(MissingExtraError, match=r"needs vllm.*pip install 'j1sdk\[vllm\]'"):
            run(engine.complete(HI, Sampling()))


@pytest.mark.usefixtures("without_vllm")
def test_an_engine_that_never_started_can_be_closed(tiny_model: Path) -> None:
    engine = VLLM(model=str(tiny_model))
    with pytest.raises(MissingExtraError):
        run(engine.complete(HI, Sampling()))
    for _ in range(2):
        run(engine.close())
    with pytest.raises(EngineError, match="is closed: make a new VLLM"):
        run(engine.complete(HI, Sampling()))
    run(VLLM(model="never-asked").close())


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(ConfigError, match=f"no model directory at {missing}"):
        run(VLLM(model=missing).complete(HI, Sampling()))


def test_what_is_reserved_is_the_tokenizer_s(tiny_model: Path) -> None:
    engine = VLLM(model=str(tiny_model))
    assert engine.reserved == reserved_tokens(load_tokenizer(str(tiny_model)))
    assert engine.reserved >= {"<|im_start|>", "<|im_end|>", "<|endoftext|>"}


@pytest.mark.parametrize("option", sorted(OWN_FIELDS))
def test_an_option_with_a_field_of_its_own_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=f"field of its own: set `{OWN_FIELDS[option]}`"):
        VLLM(model="judge", options={option: 1})


@pytest.mark.parametrize(
    "wrong",
    [{"context": 0}, {"tensor_parallel_size": 0}, {"gpu_memory_utilization": 1.5}, {"dtype": "x"}],
    ids=str,
)
def test_fields_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        VLLM(model="judge", **wrong)


def test_the_fields_are_vllm_s_arguments() -> None:
    engine = VLLM(model="judge", context=4096, tensor_parallel_size=2, enforce_eager=True)
    assert arguments(engine) == {
        "model": "judge",
        "dtype": "auto",
        "max_model_len": 4096,
        "tensor_parallel_size": 2,
        "enforce_eager": True,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
    }


def test_options_come_last() -> None:
    engine = VLLM(model="judge", options={"quantization": "fp8", "enable_prefix_caching": False})
    asked = arguments(engine)
    assert (asked["quantization"], asked["enable_prefix_caching"]) == ("fp8", False)


@pytest.mark.parametrize(("rank", "room"), [(1, 8), (8, 8), (9, 16), (100, 128), (512, 512)])
def test_there_is_room_for_an_adapter_of_any_rank(tmp_path: Path, rank: int, room: int) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": rank}))
    assert adapter_arguments(str(tmp_path)) == {"enable_lora": True, "max_lora_rank": room}
    asked = arguments(VLLM(model="judge", adapter=str(tmp_path)))
    assert asked["max_lora_rank"] == room


@pytest.mark.parametrize("content", [None, "{", "{}", '{"r": "many"}'])
def test_what_is_no_adapter_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "adapter_config.json").write_text(content)
    with pytest.raises(ConfigError, match="not the directory of a LoRA adapter"):
        adapter_arguments(str(tmp_path))


def test_how_it_runs_is_no_part_of_what_it_is() -> None:
    plain = VLLM(model="judge")
    fast = VLLM(
        model="judge", tensor_parallel_size=4, gpu_memory_utilization=0.5, enforce_eager=True
    )
    assert plain.identity == fast.identity
    assert plain.identity != VLLM(model="judge", dtype="float16").identity


def test_the_hottest_sampling_is_refused_at_the_start() -> None:
    VLLM(model="judge").accept(Sampling(temperature=2.0))
    with pytest.raises(ConfigError, match=r"no temperature above 2\.0"):
        VLLM(model="judge").accept(Sampling(temperature=2.5))


def written(reason: str | None, stop: str | int | None = None) -> Any:
    output = SimpleNamespace(
        text="so ", finish_reason=reason, stop_reason=stop, token_ids=[7, 8], logprobs=None
    )
    return SimpleNamespace(outputs=[output], prompt_token_ids=[1, 2, 3])


def test_a_stop_string_is_part_of_the_text_and_the_end_of_turn_is_not() -> None:
    assert read(written("stop", "</think>")).text == "so </think>"
    assert read(written("stop", 42)).text == "so "
    ended = read(written("length"))
    assert (ended.finish_reason, ended.prompt_tokens, ended.completion_tokens) == ("length", 3, 2)


@pytest.mark.parametrize("reason", ["abort", "error", "repetition", None])
def test_a_request_given_up_is_an_engine_error(reason: str | None) -> None:
    with pytest.raises(EngineError, match=f"gave the request up .{reason}"):
        read(written(reason))


def test_saving_writes_a_model_that_transformers_opens(tiny_model: Path, tmp_path: Path) -> None:
    saved = VLLM(model=str(tiny_model), context=512).save(tmp_path / "saved")
    assert saved == VLLM(model=str(tmp_path / "saved"), context=512)
    sampling = Sampling(max_new_tokens=8)
    texts = {
        run(Transformers(model=str(model), device="cpu").complete(HI, sampling)).text
        for model in (tiny_model, tmp_path / "saved")
    }
    assert len(texts) == 1


async def here() -> str:
    await asyncio.sleep(0)
    return current_thread().name


def test_work_on_the_background_loop_can_be_asked_for_from_any_loop() -> None:
    async def ask() -> str:
        return await on_background(here())

    with ThreadPoolExecutor(1) as pool:
        names = [asyncio.run(ask()), run(ask()), pool.submit(asyncio.run, ask()).result()]
    assert names == ["j1-loop"] * 3


def test_cancelling_reaches_the_background_loop() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(current_thread().name)
            raise

    async def cancel() -> None:
        task = asyncio.create_task(on_background(work()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.05)

    asyncio.run(cancel())
    run(cancel())
    assert ended == ["j1-loop"] * 2
