"""Every format under every chat template: asked, read, judged for adherence, trained on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from chat_templates import NAMES, OLDER, OPENED, tokenizer_of, turn_end
from j1sdk_family.hinted import Hinted
from j1sdk_family.reflections import CONNECTIVE, splice
from j1sdk_family.reward_anything import RewardAnything
from j1sdk_family.rm_r1 import RmR1
from j1sdk_family.rrm import Rrm
from j1sdk_family.think_j import ThinkJ
from j1sdk_openrlhf.dpo import OpenRLHFDpo
from j1sdk_openrlhf.executor import PairedExecutor
from j1sdk_openrlhf.sft import OpenRLHFSft
from j1sdk_rubric import Criterion, Rubric
from j1sdk_spct import Spct, SpctSingle
from rollout_engine import Engine, params

from j1sdk import (
    Completion,
    ConfigError,
    JudgeRewardModel,
    JudgmentFormat,
    JudgmentTask,
    PairwiseScores,
    PairwiseVerdict,
    PairwiseVerdictScores,
    Pointwise,
    Presentation,
    Sampling,
    Scripted,
    Transformers,
)
from j1sdk.data import Source
from j1sdk.deliberation import replay
from j1sdk.engines.chat import load_tokenizer, render_chat
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.run import Run
from j1sdk.training.layout import Asker, decode, end_turns
from j1sdk.training.multitask import Assignment, parts_of
from j1sdk.types import Message

FORMATS: list[JudgmentFormat] = [
    *(
        kind.model_validate({"thinking": thinking})
        for kind in (PairwiseVerdict, PairwiseScores, PairwiseVerdictScores, Pointwise)
        for thinking in ("think", "plan", "none")
    ),
    RmR1(), Rrm(), Rrm(thinking="plan"), ThinkJ(), RewardAnything(principle="?"), Spct(),
    SpctSingle(), Hinted(format=PairwiseVerdict()),
    Rubric(criteria=(Criterion(text="It is right."), Criterion(text="It is short."))),
]  # fmt: skip
TASK = JudgmentTask.from_pair("What is 2+2?", "It is four.", "It is five.")
THOUGHT = "The first one adds up."


class OneTask(Source):
    name: ClassVar[str] = "one-task"

    def tasks(self) -> Iterator[JudgmentTask]:
        yield TASK


def shown_to(form: JudgmentFormat) -> Presentation:
    return Presentation(task=TASK, order=(0, 1)[: form.arity])


def written_by(form: JudgmentFormat) -> tuple[tuple[float, ...], str]:
    low, high = form.score_range
    scores = (high, low)[: form.arity]
    return scores, form.write(scores, THOUGHT)


def judge_of(form: JudgmentFormat) -> JudgeRewardModel:
    return JudgeRewardModel(format=form, engine=Scripted())


def opens(name: str) -> bool:
    return name.startswith(OPENED)


def trained_on(asker: Asker, shown: Presentation, answer: str) -> tuple[list[int], list[int]]:
    """Token ids of prompt and reply in an example for SFT."""
    row = asker.example(shown, answer)
    count = row["labels"].count(-100)
    assert row["labels"][count:] == row["input_ids"][count:]
    return row["input_ids"][:count], row["input_ids"][count:]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: repr(form)[:40])
@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_answer_is_perfect_under_every_template(name: str, form: JudgmentFormat) -> None:
    tokenizer, (scores, answer), shown = tokenizer_of(name), written_by(form), shown_to(form)
    asker = Asker(judge_of(form), tokenizer)
    prompt_ids, reply = trained_on(asker, shown, answer)
    prompt, text = tokenizer.decode(prompt_ids), tokenizer.decode(reply)
    assert all(response in prompt for response in shown.responses)
    assert text.endswith(turn_end(name)) and text.count(turn_end(name)) == 1

    completion = decode(tokenizer, [*reply, *[tokenizer.pad_token_id] * 3])
    assert completion.finish_reason == "stop" and turn_end(name) not in completion.text
    assert prompt.endswith(completion.opened) and bool(completion.opened) == opens(name)
    for mark in ("<think>", "</think>"):
        assert completion.whole.count(mark) == max(answer.count(mark), opens(name)), text

    judgment = replay(form, shown, completion)
    assert (judgment.status.value, judgment.scores) == ("ok", scores), judgment.detail
    assert FormatAdherence().grade(TASK, [judgment], form) == [1.0]
    cut = decode(tokenizer, reply[: -len(tokenizer(turn_end(name))["input_ids"]) - 2])
    assert replay(form, shown, cut).status.value == "truncated"


@pytest.mark.parametrize("name", NAMES)
def test_rows_for_preferences_and_for_openrlhf_are_the_same_tokens(name: str) -> None:
    tokenizer = tokenizer_of(name)
    for form in FORMATS:
        run = Run(judge=judge_of(form), data=OneTask())
        asker, shown = Asker(run.judge, tokenizer), shown_to(form)
        (first, *_), (pair, *_) = (
            list(OpenRLHFSft().rows(run, tokenizer)), list(OpenRLHFDpo().rows(run, tokenizer))
        )  # fmt: skip
        (taught, *_) = OneTask().demonstrations(form, 0)
        prompt_ids, reply = trained_on(asker, shown, taught.answer)
        example = asker.preference(shown, taught.answer, taught.answer)
        assert (example["prompt_ids"], example["chosen_ids"]) == (prompt_ids, reply)
        for row, column in ((first, "answer"), (pair, "chosen"), (pair, "rejected")):
            assert row["prompt"] == tokenizer.decode(prompt_ids)
            assert row[column].endswith(turn_end(name))
            assert (row["prompt"] + row[column]).count("<think>") == (
                row["prompt"].count("<think>") + (not opens(name)) * taught.answer.count("<think>")
            )
        assert first["answer"] == pair["chosen"] == tokenizer.decode(reply)


def rolled_out(name: str, form: JudgmentFormat, answer: str) -> dict[str, Any]:
    """A rollout of OpenRLHF's, whose engine stops at what ends a turn."""
    tokenizer = tokenizer_of(name)
    paired = PairedExecutor(parts_of(judge_of(form), (), (FormatAdherence(),)))
    end = tokenizer.convert_tokens_to_ids(turn_end(name))
    engine = Engine(tokenizer, lambda text, call: answer, end=end)
    label = Assignment(task=TASK).model_dump_json()

    async def group() -> list[dict[str, Any]]:
        shared = params()
        waiting = [paired.execute("P", label, shared, 9000, tokenizer, engine) for _ in "ab"]
        return list(await asyncio.gather(*waiting))

    return asyncio.run(group())[0]


@pytest.mark.parametrize("name", ["gemma3", "phi3_5", "qwen3_6", "deepseek_r1_distill", "cohere2"])
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: repr(form)[:40])
def test_a_rollout_in_openrlhf_adheres_too(name: str, form: JudgmentFormat) -> None:
    _, answer = written_by(form)
    _, reply = trained_on(Asker(judge_of(form), tokenizer_of(name)), shown_to(form), answer)
    text = tokenizer_of(name).decode(reply).removesuffix(turn_end(name))
    rollout = rolled_out(name, form, text)
    assert rollout["reward"] == 1.0 and not rollout["truncated"]
    assert rollout["extra_logs"]["judge/status/ok"] == 1.0


@pytest.mark.parametrize("name", [name for name in NAMES if opens(name)])
def test_an_answer_with_a_second_thought_open_does_not_adhere(name: str) -> None:
    form, tokenizer = PairwiseVerdict(), tokenizer_of(name)
    ids = tokenizer(form.write((1.0, 0.0), THOUGHT) + turn_end(name))["input_ids"]
    judgment = replay(form, shown_to(form), decode(tokenizer, ids))
    assert judgment.text.count("<think>") == 2
    assert FormatAdherence().grade(TASK, [judgment], form) == [0.0]


def test_a_plan_inside_thinking_that_never_ended_is_no_answer() -> None:
    form, tokenizer = PairwiseVerdict(thinking="plan"), tokenizer_of("qwen3_6")
    ids = tokenizer(form.write((1.0, 0.0), THOUGHT) + "<|im_end|>")["input_ids"]
    judgment = replay(form, shown_to(form), decode(tokenizer, ids))
    assert judgment.status.value == "unparseable" and "not ended" in judgment.detail


def test_what_is_continued_is_not_opened_twice() -> None:
    begun = Message(role="assistant", content="<think>\nso far")
    conversation = (Message(role="user", content="hi"), begun)
    for name in ("qwen3_6", "qwen2_5"):
        text = render_chat(tokenizer_of(name), conversation)
        assert text.endswith("<think>\nso far") and text.count("<think>") == 1


@pytest.mark.parametrize("opening", ["<think>\n", ""])
def test_the_second_thought_is_kept(opening: str) -> None:
    """Also of texts recorded where the prompt had written the tag."""
    form = PairwiseVerdict()
    first = opening + "I like A.\n</think>\n<answer>[[A]]</answer>"
    second = opening + "I like B.\n</think>\n<answer>[[B]]</answer>"
    spliced = splice(first, second, CONNECTIVE, form)
    assert spliced == f"{opening}I like A.{CONNECTIVE}I like B.\n</think>\n<answer>[[B]]</answer>"
    for name in ("qwen3_6", "qwen2_5"):
        _, reply = trained_on(Asker(judge_of(form), tokenizer_of(name)), shown_to(form), spliced)
        completion = decode(tokenizer_of(name), reply)
        assert form.adheres(completion.whole), completion.whole


def test_an_engine_says_what_its_prompt_has_opened(tiny_model: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = tokenizer.chat_template.replace("assistant\n", "assistant\n<think>\n")
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    engine = Transformers.around(model, tokenizer, context=4000)
    judge = JudgeRewardModel(
        format=PairwiseVerdict(), engine=engine, sampling=Sampling(max_new_tokens=8)
    )
    (judgment, _) = judge.judge([TASK])[0].judgments
    assert judgment.text.startswith("<think>\n") and len(judgment.text) > len("<think>\n")
    assert judgment.usage.completion_tokens <= 8


def test_a_trained_model_stops_at_the_end_of_its_turn() -> None:
    from transformers import GenerationConfig

    tokenizer = tokenizer_of("gemma3")
    end, own = tokenizer.convert_tokens_to_ids("<end_of_turn>"), tokenizer.eos_token_id
    model: Any = SimpleNamespace(generation_config=GenerationConfig(eos_token_id=own))
    end_turns(model, tokenizer)
    assert model.generation_config.eos_token_id == sorted([own, end])


def test_the_ends_in_a_models_generation_config_count(tmp_path: Path) -> None:
    tokenizer_of("qwen2_5").save_pretrained(tmp_path)
    described = {"eos_token_id": [ord("!"), tokenizer_of("qwen2_5").eos_token_id]}
    (tmp_path / "generation_config.json").write_text(json.dumps(described))
    tokenizer = load_tokenizer(str(tmp_path))
    assert decode(tokenizer, [5, ord("!"), 6]).finish_reason == "stop"
    assert decode(tokenizer_of("qwen2_5"), [5, ord("!"), 6]).finish_reason == "length"


def test_an_answer_without_the_end_of_its_turn_is_truncated() -> None:
    completion = decode(tokenizer_of("gemma3"), tokenizer_of("gemma3")("hm")["input_ids"])
    assert completion == Completion(text="hm", finish_reason="length", completion_tokens=2)


def test_a_template_that_shows_nothing_is_refused() -> None:
    tokenizer = tokenizer_of("zephyr")
    before, tokenizer.chat_template = tokenizer.chat_template, "Be nice."
    try:
        with pytest.raises(ConfigError, match="does not show what a user says"):
            render_chat(tokenizer, (Message(role="user", content="hi"),))
        tokenizer.chat_template = "{{ raise_exception('no') }}"
        with pytest.raises(ConfigError, match="cannot be rendered: no"):
            render_chat(tokenizer, (Message(role="user", content="hi"),))
    finally:
        tokenizer.chat_template = before
    assert set(OLDER) < set(NAMES)
