"""A pretrained model in vLLM and in transformers: the same prompts, tokens and greedy texts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from j1sdk_quickstart.tasks import Arithmetic
from j1sdk_scale import Prefilled
from real_model import FOLDER

from j1sdk import (
    Completion,
    Conversation,
    JudgeRewardModel,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Transformers,
)
from j1sdk.background import run
from j1sdk.engines import Engine
from j1sdk.engines.vllm import VLLM
from j1sdk.judgments import first_chance
from j1sdk.types import presentations

pytestmark = pytest.mark.stack

SAMPLING = Sampling(max_new_tokens=24, top_logprobs=2)


@pytest.fixture(scope="module")
def model() -> Path:
    if not FOLDER.exists():
        pytest.skip("there is no real model: `make real-model` fetches it")
    return FOLDER


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[VLLM]:
    engine = VLLM(
        model=str(model), dtype="float32", enforce_eager=True, gpu_memory_utilization=0.2,
        context=1024,
    )  # fmt: skip
    yield engine
    run(engine.close())


def asked() -> list[Conversation]:
    """Ten presentations each of a pairwise and of a pointwise judge, which share their prefix."""
    return [
        form.render(presentations(task, form.arity)[0])
        for form in (PairwiseVerdict(), Pointwise())
        for task in Arithmetic(seed=5, limit=10).load()
    ]


def written_by(engine: Engine) -> Sequence[Completion]:
    async def all_at_once() -> list[Completion]:
        return list(await asyncio.gather(*(engine.complete(one, SAMPLING) for one in asked())))

    return run(all_at_once())


def test_a_begun_answer_is_continued_alike(engine: VLLM, model: Path) -> None:
    reference = Transformers(model=str(model), dtype="float32", device="cpu", batch_size=20)
    fast = Prefilled(format=PairwiseVerdict(thinking="none"))
    sampling, tasks = Sampling(top_logprobs=20), Arithmetic(seed=5, limit=10).load()
    theirs, ours = (
        JudgeRewardModel(format=fast, engine=one, sampling=sampling) for one in (engine, reference)
    )
    for one, other in zip(theirs.judge(tasks), ours.judge(tasks), strict=True):
        for mine, yours in zip(one.judgments, other.judgments, strict=True):
            assert mine.usage.completion_tokens == yours.usage.completion_tokens == 1
            assert mine.ok and yours.ok, "a model that was never taught says A or B"
            assert first_chance(mine) == pytest.approx(first_chance(yours), abs=0.01)


def test_greedy_texts_are_those_of_transformers(
    engine: VLLM, model: Path, record_property: Any
) -> None:
    reference = Transformers(model=str(model), dtype="float32", device="cpu", batch_size=20)
    theirs, ours = written_by(engine), written_by(reference)
    same = sum(one.text == other.text for one, other in zip(theirs, ours, strict=True))
    record_property("figures", f"{same} of {len(ours)} greedy texts are alike")
    assert same >= 0.9 * len(ours)
    assert len({one.text for one in ours}) > 5, "texts that are all alike would prove nothing"
    for one, other in zip(theirs, ours, strict=True):
        assert one.prompt_tokens == other.prompt_tokens > 50
        first, expected = one.tokens[0], other.tokens[0]
        assert first.logprob == pytest.approx(expected.logprob, abs=0.01)
