"""The engine on the real vLLM. Run by `make test-stack`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psutil
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
    PairwiseVerdict,
    Sampling,
    Transformers,
)
from j1sdk.background import run
from j1sdk.engines import cut_after
from j1sdk.engines.vllm import VLLM
from j1sdk.testing import EngineContract

pytestmark = pytest.mark.stack

PROMPTS = ("hi", "hello there", "what is this?", "a rather longer request than all the others")
Result = TypeVar("Result")


def opened(model: Path, **options: Any) -> VLLM:
    """An engine that starts fast and leaves memory to others."""
    lean = {"dtype": "float32", "enforce_eager": True, "gpu_memory_utilization": 0.1}
    return VLLM(model=str(model), **{**lean, **options})


@pytest.fixture(scope="module")
def engine(stack_model: Path) -> Iterator[VLLM]:
    engine = opened(stack_model)
    yield engine
    run(engine.close())


def one(engine: VLLM | Transformers, conversation: Conversation, **sampling: Any) -> Completion:
    return run(engine.complete(conversation, Sampling(**{"max_new_tokens": 24, **sampling})))


async def together(
    engine: VLLM, conversations: Sequence[Conversation], sampling: Sampling
) -> list[Completion | BaseException]:
    asked = (engine.complete(conversation, sampling) for conversation in conversations)
    return list(await asyncio.gather(*asked, return_exceptions=True))


def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of what must not hang."""
    return run(asyncio.wait_for(work, seconds))


class TestContract(EngineContract):
    @pytest.fixture(autouse=True)
    def _component(self, engine: VLLM) -> None:
        self.component = engine


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_text_is_that_of_transformers(
    engine: VLLM, reference: Transformers, prompt: str
) -> None:
    written = one(engine, ask(prompt))
    assert written == one(reference, ask(prompt))
    assert len(set(written.text)) > 4, "a text of one letter would prove nothing"


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_tokens_are_as_likely_as_transformers_has_it(
    engine: VLLM, reference: Transformers, temperature: float
) -> None:
    told = one(engine, ask("hi"), temperature=temperature, seed=1, top_logprobs=5)
    assert len(told.tokens) == told.completion_tokens
    begun = ""
    for token in told.tokens:
        same = one(reference, ask("hi", begun), max_new_tokens=1, top_logprobs=5).tokens[0]
        expected = dict(same.alternatives)
        for text, logprob in token.alternatives[-5:]:
            assert logprob == pytest.approx(expected.get(text, logprob), abs=1e-3)
        assert token.logprob <= max(expected.values()) + 1e-3
        assert len(expected.keys() & dict(token.alternatives).keys()) >= 4
        begun += token.text


@pytest.mark.parametrize("prompt", PROMPTS)
def test_an_assistant_message_is_continued_as_transformers_does(
    engine: VLLM, reference: Transformers, prompt: str
) -> None:
    whole = one(engine, ask(prompt))
    begun = ask(prompt, whole.text[:7])
    rest = one(engine, begun, max_new_tokens=17)
    assert rest == one(reference, begun, max_new_tokens=17)
    assert rest.text == whole.text[7:]
    assert rest.prompt_tokens == whole.prompt_tokens + 7


def test_the_end_of_turn_is_paid_for_and_not_part_of_the_text(
    engine: VLLM, reference: Transformers
) -> None:
    finished = [one(engine, ask(f"{number}"), max_new_tokens=400) for number in range(8)]
    number, ended = next(
        (number, one) for number, one in enumerate(finished) if one.finish_reason == "stop"
    )
    assert "<|im_end|>" not in ended.text
    assert ended.completion_tokens == len(ended.text) + 1
    assert ended == one(reference, ask(f"{number}"), max_new_tokens=400)


def test_text_ends_behind_the_stop_string_and_is_not_truncated(
    engine: VLLM, reference: Transformers
) -> None:
    whole = one(engine, ask("hi")).text
    stop = ("never", whole[2:5])
    stopped = one(engine, ask("hi"), stop=stop)
    assert stopped.text == whole[:5]
    assert stopped == one(reference, ask("hi"), stop=stop)


def test_special_tokens_are_shown_and_can_be_stopped_at(engine: VLLM) -> None:
    hot: dict[str, Any] = {"temperature": 2.0, "max_new_tokens": 200}
    drawn = [one(engine, ask("hi"), seed=seed, **hot) for seed in range(24)]
    assert not any("<|im_end|>" in completion.text for completion in drawn)
    seed, shown = next(
        (seed, one.text) for seed, one in enumerate(drawn) if "<|im_start|>" in one.text
    )
    stopped = one(engine, ask("hi"), seed=seed, stop=("<|im_start|>",), **hot)
    assert stopped.text == cut_after(shown, ["<|im_start|>"])
    assert stopped.finish_reason == "stop"


def test_what_vllm_does_not_take_is_refused_at_the_start_or_an_engine_error(engine: VLLM) -> None:
    hotter = Sampling(temperature=2.1, max_new_tokens=1)
    with pytest.raises(ConfigError, match="no temperature above 2"):
        engine.accept(hotter)
    with pytest.raises(EngineError, match="temperature must be in"):
        run(engine.complete(ask("hi"), hotter))


def test_a_seed_repeats_a_completion_and_another_seed_does_not(engine: VLLM) -> None:
    def text(seed: int | None) -> str:
        return one(engine, ask("hi"), temperature=1.5, seed=seed).text

    assert text(1) == text(1)
    assert text(1) != text(2)
    assert text(None) != text(None)


def test_a_prompt_that_fills_the_context_leaves_nothing_to_write(engine: VLLM) -> None:
    full = one(engine, ask("x" * 2000))
    assert (full.text, full.finish_reason, full.completion_tokens) == ("", "length", 0)
    nearly = one(engine, ask("x" * 990), max_new_tokens=400)
    assert nearly.finish_reason == "length"
    assert nearly.prompt_tokens + nearly.completion_tokens == 1024


def test_many_at_once_read_as_one_by_one(engine: VLLM) -> None:
    asked = [ask(f"number {number}") for number in range(64)]
    sampling = Sampling(temperature=1.0, seed=3, max_new_tokens=24)
    written = run(together(engine, asked, sampling))
    alone = [run(engine.complete(conversation, sampling)) for conversation in asked[:8]]
    assert written[:8] == alone
    assert all(isinstance(completion, Completion) for completion in written)


def test_two_event_loops_share_one_engine(engine: VLLM) -> None:
    sampling = Sampling(max_new_tokens=200)
    asked = [ask(prompt) for prompt in PROMPTS]
    with ThreadPoolExecutor(2) as pool:
        theirs = [
            pool.submit(lambda: asyncio.run(together(engine, asked, sampling))) for _ in range(2)
        ]
        ours = run(together(engine, asked, sampling))
    assert [future.result() for future in theirs] == [ours, ours]


def unfinished(engine: VLLM) -> int:
    starting = engine._server._starting
    return starting.result().get_num_unfinished_requests() if starting else 0


def test_cancelling_stops_the_work_too(engine: VLLM) -> None:
    one(engine, ask("hi"), max_new_tokens=1)

    async def begin_and_cancel() -> None:
        work = [
            asyncio.create_task(engine.complete(ask(prompt), Sampling(max_new_tokens=900)))
            for prompt in PROMPTS
        ]
        while unfinished(engine) < len(PROMPTS):
            await asyncio.sleep(0.001)
        for task in work:
            task.cancel()
        assert all(
            isinstance(ended, asyncio.CancelledError)
            for ended in await asyncio.gather(*work, return_exceptions=True)
        )
        await asyncio.sleep(0.1)

    for begin in (run, asyncio.run):
        begin(begin_and_cancel())
        assert unfinished(engine) == 0


def test_a_judge_is_asked_in_both_orders(engine: VLLM) -> None:
    judge = JudgeRewardModel(
        format=PairwiseVerdict(), engine=engine, sampling=Sampling(max_new_tokens=8)
    )
    task = JudgmentTask.from_pair("1+1", chosen="2", rejected="3")
    (result,) = judge.judge([task])
    assert [judgment.order for judgment in result.judgments] == [(0, 1), (1, 0)]
    assert {judgment.status for judgment in result.judgments} == {JudgmentStatus.TRUNCATED}


@pytest.fixture(scope="module")
def adapter(stack_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter that changes what is written."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(stack_model, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    directory = tmp_path_factory.mktemp("adapter")
    get_peft_model(model, config).save_pretrained(directory)
    return directory


def test_an_adapter_changes_the_text_as_in_transformers_until_closed(
    engine: VLLM, stack_model: Path, adapter: Path, tmp_path: Path
) -> None:
    adapted = opened(stack_model, adapter=str(adapter))
    written = one(adapted, ask("hi"))
    reference = Transformers(
        model=str(stack_model), adapter=str(adapter), device="cpu", dtype="float32"
    )
    assert written == one(reference, ask("hi"))
    assert written != one(engine, ask("hi"))
    closing_fails_what_is_unanswered(adapted)
    merged = adapted.save(tmp_path / "merged")
    assert isinstance(merged, VLLM) and merged.adapter is None
    again = Transformers(model=merged.model, device="cpu", dtype="float32")
    assert one(again, ask("hi")) == written


def closing_fails_what_is_unanswered(engine: VLLM) -> None:
    async def begin_and_close() -> list[Completion | BaseException]:
        asked = [ask(prompt) for prompt in PROMPTS]
        work = asyncio.create_task(together(engine, asked, Sampling(max_new_tokens=900)))
        while unfinished(engine) < len(PROMPTS):
            await asyncio.sleep(0.001)
        await engine.close()
        return await work

    ended = within(30, begin_and_close())
    assert all(isinstance(one, EngineError) and "is closed" in str(one) for one in ended), ended
    with pytest.raises(EngineError, match="closed: make a new VLLM"):
        one(engine, ask("hi"))
    run(engine.close())


def core_of_newest() -> psutil.Process:
    """The process of the engine that was started last."""
    alive = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    cores = [one for one in alive if "EngineCore" in " ".join(one.cmdline())]
    return max(cores, key=lambda process: process.create_time())


def test_the_death_of_the_process_is_a_status_of_every_judgment(stack_model: Path) -> None:
    doomed = opened(stack_model)
    judge = JudgeRewardModel(
        format=PairwiseVerdict(), engine=doomed, sampling=Sampling(max_new_tokens=900)
    )
    one(doomed, ask("hi"), max_new_tokens=1)
    tasks = [JudgmentTask.from_pair(f"{n}+1", chosen=f"{n + 1}", rejected="0") for n in range(24)]

    async def judge_and_kill() -> list[Any]:
        work = asyncio.create_task(judge.judge_async(tasks))
        while unfinished(doomed) < len(tasks):
            await asyncio.sleep(0.001)
        core_of_newest().kill()
        return list(await work)

    results = within(60, judge_and_kill())
    judgments = [judgment for result in results for judgment in result.judgments]
    assert {judgment.status for judgment in judgments} == {JudgmentStatus.ENGINE_ERROR}
    assert all("make a new VLLM" in judgment.detail for judgment in judgments)
    with pytest.raises(EngineError, match="has ended"):
        within(30, doomed.complete(ask("hi"), Sampling()))
    within(60, doomed.close())


def test_an_option_that_vllm_lacks_is_named(stack_model: Path) -> None:
    with pytest.raises(ConfigError, match="no option 'blocksize'; did you mean 'block_size'"):
        one(opened(stack_model, options={"blocksize": 16}), ask("hi"))


def test_what_vllm_refuses_is_a_configuration_error(stack_model: Path) -> None:
    with pytest.raises(ConfigError, match="cannot open"):
        one(opened(stack_model, context=100_000), ask("hi"))


SCRIPT = """
from j1sdk import Message, Sampling, VLLM
from j1sdk.background import run

def main():
    engine = VLLM(model={model!r}, enforce_eager=True, gpu_memory_utilization=0.1)
    conversation = (Message(role="user", content="hi"),)
    print(run(engine.complete(conversation, Sampling(max_new_tokens=4))).completion_tokens)

if __name__ == "__main__":
    main()
"""


def test_a_script_that_never_closes_its_engine_ends(stack_model: Path, tmp_path: Path) -> None:
    done = ran(SCRIPT, stack_model, tmp_path)
    assert done.returncode == 0 and "\n4\n" in f"\n{done.stdout}\n", done.stderr
    assert "Traceback" not in done.stdout + done.stderr


FORKING = """
import os
from j1sdk import Message, Sampling, VLLM
from j1sdk.background import run

def main():
    engine = VLLM(model={model!r}, enforce_eager=True, gpu_memory_utilization=0.1)
    conversation = (Message(role="user", content="hi"),)
    ask = lambda: run(engine.complete(conversation, Sampling(max_new_tokens=4, temperature=0)))
    before = ask().text
    if not (child := os.fork()):
        same = ask().text == before
        run(engine.close())
        os._exit(0 if same else 3)
    print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print("parent", ask().text == before)

if __name__ == "__main__":
    main()
"""


def test_a_forked_child_starts_an_engine_of_its_own(stack_model: Path, tmp_path: Path) -> None:
    done = ran(FORKING, stack_model, tmp_path)
    assert "child 0" in done.stdout and "parent True" in done.stdout, done.stdout + done.stderr


def ran(script: str, model: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """A script that uses this model, run by itself."""
    (path := folder / "script.py").write_text(script.format(model=str(model)))
    command = [sys.executable, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
