from __future__ import annotations

import tomllib
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from j1sdk_budget_forcing import BudgetForcing
from pydantic import PrivateAttr, ValidationError

from j1sdk import (
    Completion,
    Conversation,
    Engine,
    EngineError,
    JudgeRewardModel,
    Judgment,
    JudgmentFormat,
    JudgmentStatus,
    JudgmentTask,
    Message,
    PairwiseScores,
    PairwiseVerdict,
    PairwiseVerdictScores,
    Pointwise,
    Presentation,
    Reading,
    Sampling,
    Scripted,
    Transformers,
    Turn,
)
from j1sdk.background import run
from j1sdk.catalogue import Catalogue
from j1sdk.errors import ConfigError
from j1sdk.testing import FormatContract, always_first, example_tasks, isolated_catalogue, oracle

TASK = JudgmentTask.from_pair("Sum of 2 and 2?", "4", "5")
SHOWN = Presentation(task=TASK, order=(0, 1))
A, B = "<answer>[[A]]</answer>", "<answer>[[B]]</answer>"


class TestContractOfVerdicts(FormatContract):
    component = BudgetForcing(format=PairwiseVerdict(), rounds=3)


class TestContractOfScores(FormatContract):
    component = BudgetForcing(format=PairwiseScores(low=-1, high=1), wait=" Hm.")
    examples = ((0.5, -0.3),)


class TestContractOfBoth(FormatContract):
    component = BudgetForcing(format=PairwiseVerdictScores(), rounds=1)


class TestContractOfSingleScores(FormatContract):
    component = BudgetForcing(format=Pointwise(thinking="plan"), rounds=4)


class Recording(Engine):
    """Passes everything on and keeps the samplings and completions."""

    name = "recording"
    engine: Engine
    _seen: list[tuple[Sampling, Completion]] = PrivateAttr(default_factory=list)

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        written = await self.engine.complete(conversation, sampling)
        self._seen.append((sampling, written))
        return written

    @property
    def samplings(self) -> list[Sampling]:
        return [sampling for sampling, _ in self._seen]

    @property
    def written(self) -> list[Completion]:
        return [completion for _, completion in self._seen]


class Deaf(Scripted):
    """Cannot go on with a message of its own."""

    name = "deaf"

    @property
    def continues(self) -> bool:
        return False


def forcing(**options: Any) -> BudgetForcing:
    return BudgetForcing(**{"format": PairwiseVerdict(), **options})


def judge(form: BudgetForcing, engine: Engine, **sampling: Any) -> Judgment:
    model = JudgeRewardModel(format=form, engine=engine, sampling=Sampling(**sampling))
    return run(model.present_async(SHOWN))


def spoken(conversation: Conversation) -> str:
    """What the judge is made to have said already."""
    return conversation[-1].content if conversation[-1].role == "assistant" else ""


def test_the_last_of_two_rounds_counts_and_both_are_kept() -> None:
    engine = Scripted(answers=("<think>A is right.</think>", A, " no, B is.</think>", B))
    judgment = judge(forcing(), engine)
    assert judgment.scores == (0.0, 1.0)
    assert judgment.rounds == ((1.0, 0.0), (0.0, 1.0))
    assert judgment.text == f"<think>A is right.\nWait no, B is.</think>{B}"
    assert judgment.usage.calls == 4


def test_the_judge_continues_its_own_words() -> None:
    engine = Scripted(answers=("<think>A.</think>", A, " B.</think>", B))
    judge(forcing(wait="\nBut"), engine)
    asked = PairwiseVerdict().render(SHOWN)
    assert engine.asked[0] == asked
    assert all(conversation[: len(asked)] == asked for conversation in engine.asked)
    assert [spoken(conversation) for conversation in engine.asked] == [
        "",
        "<think>A.</think>",
        "<think>A.\nBut",
        "<think>A.\nBut B.</think>",
    ]


def test_thinking_stops_at_its_end_and_the_verdict_does_not() -> None:
    engine = Recording(engine=always_first(PairwiseVerdict()))
    judge(forcing(rounds=2), engine, stop=("STOP",))
    stops = [sampling.stop for sampling in engine.samplings]
    assert stops == [("STOP", "</think>"), ("STOP",)] * 2


def test_a_plan_is_continued_in_its_execution() -> None:
    form = forcing(format=PairwiseVerdict(thinking="plan"))
    thought = "<plan>Add.</plan>\n<execution>4.</execution>"
    engine = Recording(engine=Scripted(answers=(thought, A, " Yes.</execution>", A)))
    judgment = judge(form, engine)
    assert engine.samplings[0].stop == ("</execution>",)
    assert judgment.text == thought.replace("4.<", "4.\nWait Yes.<") + A
    assert form.adheres(judgment.text)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_there_are_as_many_rounds_as_asked_for(rounds: int) -> None:
    engine = always_first(PairwiseVerdict())
    judgment = judge(forcing(rounds=rounds), engine)
    assert judgment.rounds == ((1.0, 0.0),) * rounds
    assert judgment.usage.calls == len(engine.asked) == 2 * rounds
    assert judgment.text.count("Wait") == rounds - 1
    assert judgment.text.count("</think>") == 1


def test_one_round_only_bounds_the_thinking() -> None:
    engine = Scripted(answers=("<think> one two three four five</think>", A))
    judgment = judge(forcing(rounds=1, round_tokens=3), engine)
    assert judgment.text == f"<think> one two</think>{A}"
    assert judgment.scores == (1.0, 0.0)


def test_limits_are_those_of_round_total_and_answer() -> None:
    form = forcing(rounds=9, round_tokens=4, total_tokens=10, answer_tokens=2)
    engine = Recording(engine=Scripted(script=lambda asked, sampling: "on and on " * 9))
    judge(form, engine)
    assert [sampling.max_new_tokens for sampling in engine.samplings] == [4, 2, 4, 2, 2, 2]
    thinking = engine.written[::2]
    assert sum(completion.completion_tokens for completion in thinking) == 10


def test_what_a_short_round_leaves_is_left_to_the_next() -> None:
    answers = ("<think>one</think>", A, " two three</think>", A, " four five six", A)
    engine = Recording(engine=Scripted(answers=answers))
    judgment = judge(forcing(rounds=9, round_tokens=5, total_tokens=6), engine)
    assert [sampling.max_new_tokens for sampling in engine.samplings[::2]] == [5, 5, 3]
    assert len(judgment.rounds) == 3


def test_the_sampling_limits_every_turn_as_well() -> None:
    engine = Recording(engine=always_first(PairwiseVerdict()))
    judge(forcing(round_tokens=500, answer_tokens=50), engine, max_new_tokens=100)
    assert [sampling.max_new_tokens for sampling in engine.samplings] == [100, 50, 100, 50]


def test_an_unreadable_round_is_none_and_the_judge_goes_on() -> None:
    engine = Scripted(answers=("<think>", "no idea", " A.</think>", A))
    judgment = judge(forcing(), engine)
    assert judgment.rounds == (None, (1.0, 0.0))
    assert judgment.scores == (1.0, 0.0)


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("<score_A>1</score_A>", JudgmentStatus.UNPARSEABLE),
        ("<score_A>99</score_A><score_B>1</score_B>", JudgmentStatus.OUT_OF_RANGE),
        ("well " * 9, JudgmentStatus.TRUNCATED),
    ],
)
def test_an_unreadable_last_round_fails_as_the_format_does(last: str, status: str) -> None:
    good = "<score_A>2</score_A><score_B>1</score_B>"
    engine = Scripted(answers=("<think></think>", good, "</think>", last))
    judgment = judge(forcing(format=PairwiseScores(), answer_tokens=5), engine)
    assert judgment.status == status
    assert judgment.scores is None
    assert judgment.detail


def test_an_engine_that_fails_on_the_way_is_an_engine_error() -> None:
    engine = Scripted(answers=("<think>A.</think>", A, " B.</think>"))
    judgment = judge(forcing(), engine)
    assert judgment.status is JudgmentStatus.ENGINE_ERROR
    assert judgment.text == "<think>A.\nWait B.</think>"
    assert judgment.usage.calls == 3


def test_a_judge_that_does_not_end_its_thinking_is_asked_all_the_same() -> None:
    engine = Scripted(answers=("<think>A, I think.", A, " B.", B))
    assert judge(forcing(), engine).text == f"<think>A, I think.\nWait B.</think>{B}"


def test_what_the_wrapped_format_declares_is_declared() -> None:
    single, pair = Pointwise(low=1, high=5), PairwiseVerdict(thinking="plan")
    for inner in (single, pair):
        form = BudgetForcing(format=inner)
        for fact in ("arity", "markers", "score_range", "sections"):
            assert getattr(form, fact) == getattr(inner, fact)
        shown = Presentation(task=TASK, order=(0, 1)[: inner.arity])
        assert form.render(shown) == inner.render(shown)
    assert not BudgetForcing(format=single).single_turn


def test_a_pointwise_judge_scores_and_a_pairwise_judge_ranks() -> None:
    single, tasks = BudgetForcing(format=Pointwise()), example_tasks()
    scorer = JudgeRewardModel(format=single, engine=oracle(single, tasks))
    assert scorer.score([tasks[1].prompt] * 2, tasks[1].responses) == [0.0, 1.0]
    ranker = JudgeRewardModel(format=forcing(), engine=always_first(PairwiseVerdict()))
    assert ranker.rank("Sum?", ["4", "5", "6"]).scores == (0.5, 0.5, 0.5)


def test_an_engine_that_cannot_continue_is_refused() -> None:
    with pytest.raises(ConfigError, match="deaf cannot continue"):
        JudgeRewardModel(format=forcing(), engine=Deaf(answers=("",)))


class Thoughtless(JudgmentFormat):
    name = "thoughtless"
    arity = 1

    def render(self, shown: Presentation) -> Conversation:
        return (Message(role="user", content=shown.responses[0]),)

    def parse(self, text: str) -> tuple[float, ...]:
        return (float(text),)

    def write(self, scores: tuple[float, ...], thought: str = "") -> str:
        return str(scores[0])


class Talkative(PairwiseVerdict):
    name = "talkative"

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        yield Turn(say=self.render(shown))
        completion = yield Turn(say=self.render(shown))
        return Reading(scores=self.parse(completion.text))


def test_a_format_without_thinking_is_refused() -> None:
    with pytest.raises(ConfigError, match="instance of ThinkingFormat"):
        BudgetForcing(format=Thoughtless())
    catalogue = isolated_catalogue(Thoughtless, BudgetForcing)
    described = {"name": "budget-forcing", "format": "thoughtless"}
    with pytest.raises(ValueError, match="'thoughtless' is no ThinkingFormat"):
        JudgmentFormat.model_validate(described, context=catalogue)


def test_a_wrapped_format_without_a_name_is_refused() -> None:
    described = {"name": "budget-forcing", "format": {"thinking": "plan"}}
    with pytest.raises(ValidationError, match="no `name`: say which of the formats is meant"):
        JudgmentFormat.model_validate(described, context=isolated_catalogue(BudgetForcing))


@pytest.mark.parametrize("form", [Talkative(), Talkative(thinking="plan")])
def test_a_format_with_its_own_conversation_is_refused(form: Talkative) -> None:
    with pytest.raises(ConfigError, match="talkative has a conversation of its own"):
        BudgetForcing(format=form)


@pytest.mark.parametrize(
    "options",
    [{"wait": ""}, {"rounds": 0}, {"round_tokens": 0}, {"total_tokens": 0}, {"answer_tokens": 0}],
)
def test_options_without_a_meaning_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        forcing(**options)


def test_the_readmes_run_file_is_valid() -> None:
    readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    described = tomllib.loads(readme.partition("```toml")[2].partition("```")[0])
    both = isolated_catalogue(BudgetForcing, PairwiseVerdict)
    read = JudgmentFormat.model_validate(described["judge"]["format"], context=both)
    assert read == forcing(rounds=3)
    assert set(described["judge"]["format"]) - {"name"} == set(BudgetForcing.model_fields)


def test_a_run_file_names_both_formats() -> None:
    described = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text())
    plugins = [import_module(one) for one in described["project"]["entry-points"]["j1sdk"].values()]
    catalogue = Catalogue.of(*plugins)
    assert catalogue.names("formats") == ["budget-forcing"]
    run_file = """
    [format]
    name = "budget-forcing"
    rounds = 4
    format = { name = "pairwise-scores", high = 5 }
    """
    described = tomllib.loads(run_file)["format"]
    both = isolated_catalogue(BudgetForcing, PairwiseScores)
    read = JudgmentFormat.model_validate(described, context=both)
    assert read == BudgetForcing(format=PairwiseScores(high=5), rounds=4)
    assert read.model_dump()["format"]["name"] == "pairwise-scores"


CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Transformers:
    """A two-layer model with random weights, to which every byte is a token."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    special = ["<|endoftext|>", "<|im_end|>", "<|im_start|>"]
    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    numbered = {token: number for number, token in enumerate(tokens)}
    bare = Tokenizer(models.BPE(vocab=numbered, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, eos_token=special[1], pad_token=special[0],
        additional_special_tokens=special[2:], chat_template=CHATML,
    )  # fmt: skip
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokens), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, max_position_embeddings=4096,
        eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    directory = tmp_path_factory.mktemp("model")
    Qwen3ForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return Transformers(model=str(directory), device="cpu")


def test_a_real_model_thinks_within_its_budgets(model: Transformers) -> None:
    form = forcing(rounds=3, round_tokens=8, total_tokens=20, answer_tokens=4)
    engine = Recording(engine=model)
    judgment = judge(form, engine, temperature=1.0, seed=1)
    assert judgment.usage.calls == 6
    assert judgment.text.count("\nWait") == 2
    assert judgment.text.count("</think>") == 1
    assert sum(completion.completion_tokens for completion in engine.written[::2]) <= 20
    assert not judgment.ok, "random weights do not judge"


def test_a_real_model_is_fed_what_it_said_before(model: Transformers) -> None:
    engine = Recording(engine=model)
    judgment = judge(forcing(round_tokens=8, answer_tokens=4), engine, temperature=1.0, seed=1)
    thinking, answer = engine.written[::2], engine.written[1::2]
    parts = ("\nWait".join(completion.text for completion in thinking), "</think>", answer[-1].text)
    assert judgment.text == "".join(parts)
    grown = engine.written[2].prompt_tokens - engine.written[0].prompt_tokens
    assert grown == len((thinking[0].text + "\nWait").encode()), "a byte is a token"


def test_a_real_model_repeats_itself_with_a_seed(model: Transformers) -> None:
    form = forcing(round_tokens=6, answer_tokens=4)
    texts = {judge(form, model, temperature=1.0, seed=seed).text for seed in (1, 1, 2)}
    assert len(texts) == 2


def test_a_real_model_without_room_left_is_truncated(model: Transformers) -> None:
    narrow = Transformers(model=model.model, device="cpu", context=100)
    judgment = judge(forcing(), narrow)
    assert judgment.status is JudgmentStatus.TRUNCATED
    assert judgment.usage.completion_tokens == 0


def test_an_engine_that_fails_at_once_says_why() -> None:
    engine = Scripted(script=lambda asked, sampling: EngineError("gone"))
    assert judge(forcing(), engine).detail == "gone"
