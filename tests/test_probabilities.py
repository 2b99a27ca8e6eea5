"""How likely each answer was: by hand, from engines, and in judgments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from asking import ask
from j1sdk_budget_forcing.forcing import BudgetForcing
from j1sdk_family.hinted import Hinted

from j1sdk import (
    Cached,
    Completion,
    ConfigError,
    EngineError,
    JudgeRewardModel,
    JudgmentFormat,
    JudgmentTask,
    OpenAI,
    PairwiseScores,
    PairwiseVerdict,
    PairwiseVerdictScores,
    Pointwise,
    Sampling,
    Scripted,
    Transformers,
)
from j1sdk.background import run
from j1sdk.engines.chat import encode_chat
from j1sdk.training.multitask import parts_of
from j1sdk.types import Token

TASK = JudgmentTask.from_pair("2+2?", "4", "5")
TOLD = Sampling(top_logprobs=5)
EXPECTED: dict[str, Any] = {"thinking": "none", "reading": "expected"}


def token(text: str, **chances: float) -> Token:
    """One of which there is certainty, or one of several; `_` begins with what it is told of."""
    likely = {name.replace("_", ""): chance for name, chance in chances.items()} or {text: 1.0}
    places = tuple((name, math.log(chance)) for name, chance in likely.items())
    return Token(text, math.log(likely[text]), places)


def said(*tokens: Token | str, before: str = "") -> Completion:
    """A completion of these tokens, of which the end of the turn is no part of the text."""
    made = [one if isinstance(one, Token) else token(one) for one in tokens]
    text = before + "".join(one.text for one in made)
    return Completion(text=text, tokens=(*made, token("<|im_end|>")))


def judged(form: JudgmentFormat, completion: Completion) -> Any:
    """The judgment in the first order."""
    engine = Scripted(script=lambda asked, sampling: completion)
    judge = JudgeRewardModel(format=form, engine=engine, sampling=TOLD, orders="first")
    return judge.judge([TASK])[0].judgments[0]


def verdict(**chances: float) -> Completion:
    return said("<answer>", "[[", token("A", **chances), "]]", "</answer>")


def test_a_verdict_has_the_probability_of_each() -> None:
    judgment = judged(PairwiseVerdict(thinking="none"), verdict(A=0.7, B=0.2, C=0.1))
    assert judgment.scores == (1.0, 0.0), "what was said counts, unless asked otherwise"
    assert judgment.probabilities == ({"A": pytest.approx(0.7), "B": pytest.approx(0.2)},)
    judgment = judged(PairwiseVerdict(**EXPECTED), verdict(A=0.7, B=0.2, C=0.1))
    assert judgment.scores == (pytest.approx(7 / 9), pytest.approx(2 / 9))
    both = judged(PairwiseVerdict(**EXPECTED), verdict(A=0.45, B=0.55))
    assert both.verdict() == 1, "the likelier one, though the other was drawn"


def test_wherever_tokens_begin_and_end() -> None:
    glued = said(
        "<answer", token(">[[A", **{">[[A": 0.6, ">[[B": 0.3, ">[": 0.05, "!": 0.05}), "]]</answer>"
    )
    assert judged(PairwiseVerdict(thinking="none"), glued).probabilities == (
        {"A": pytest.approx(0.6), "B": pytest.approx(0.3)},
    )
    whole = {
        f"<answer>[[{letter}]]</answer>": chance for letter, chance in (("A", 0.9), ("B", 0.1))
    }
    only = said(token("<answer>[[A]]</answer>", **whole))
    assert judged(PairwiseVerdict(thinking="none"), only).probabilities[0] == (
        {"A": pytest.approx(0.9), "B": pytest.approx(0.1)}
    )
    spaced = said("<answer>", " ", "[[", token("B", A=0.25, B=0.75), "]]", "</answer>")
    assert judged(PairwiseVerdict(thinking="none"), spaced).probabilities[0]["A"] == pytest.approx(
        0.25
    )


def test_what_was_uncertain_on_the_way_counts_too() -> None:
    path = said(
        "<answer>", token("[[", **{"[[": 0.8, "[[B]]": 0.1, "A": 0.1}),
        token("A", A=0.5, B=0.5), "]]</answer>",
    )  # fmt: skip
    found = judged(PairwiseVerdict(thinking="none"), path).probabilities[0]
    assert found == {"A": pytest.approx(0.4), "B": pytest.approx(0.5)}


def test_a_score_is_the_mean_of_its_levels() -> None:
    eight = said("<score>", token("8", **{"7": 0.25, "8": 0.5, "9": 0.25}), "</score>")
    judgment = judged(Pointwise(**EXPECTED), eight)
    assert judgment.scores == (pytest.approx(8.0),)
    assert judgment.probabilities[0]["9"] == pytest.approx(0.25)
    assert judgment.probabilities[0]["3"] == 0.0


def test_one_and_ten_are_told_apart_by_what_follows() -> None:
    ten = said(
        "<score>", token("1", **{"1": 0.8, "9": 0.2}), token("0", **{"0": 0.75, "</": 0.25}), "</",
        "score>",
    )  # fmt: skip
    found = judged(Pointwise(**EXPECTED), ten)
    assert found.probabilities[0]["10"] == pytest.approx(0.6)
    assert found.probabilities[0]["1"] == pytest.approx(0.2)
    assert found.scores == (pytest.approx(0.6 * 10 + 0.2 * 9 + 0.2),)
    nine = said("<score>", token("9", **{"1": 0.3, "9": 0.7}), "</score>")
    found = judged(Pointwise(**EXPECTED), nine)
    assert sum(found.probabilities[0].values()) == pytest.approx(0.7), "1 may be the half of 10"


def test_two_scores_each_have_theirs() -> None:
    text = said(
        "<score_A>", token("7", **{"7": 0.5, "5": 0.5}), "</score_A>\n", "<score_B>",
        token("2", **{"2": 1.0}), "</score_B>",
    )  # fmt: skip
    judgment = judged(PairwiseScores(**EXPECTED), text)
    assert judgment.scores == (pytest.approx(6.0), pytest.approx(2.0))
    assert [max(one, key=lambda name: one[name]) for one in judgment.probabilities] == ["5", "2"]
    verdicts = said(
        "<score_A>7</score_A><score_B>2</score_B><answer>[[", token("A", A=0.9, B=0.1),
        "]]</answer>",
    )  # fmt: skip
    assert judged(PairwiseVerdictScores(**EXPECTED), verdicts).scores[0] == pytest.approx(0.9)


def test_a_thought_in_many_alphabets_does_not_hide_the_answer() -> None:
    """A character may be several tokens, each of which alone is none."""
    form = PairwiseVerdict(reading="expected")
    broken = [Token("\ufffd", -1.0), Token("\ufffd", -1.0), *verdict(A=0.7, B=0.3).tokens]
    text = "<think>\nA \u2713\n</think>\n<answer>[[A]]</answer>"
    judgment = judged(form, Completion(text=text, tokens=tuple(broken)))
    assert judgment.scores == (pytest.approx(0.7), pytest.approx(0.3))


@pytest.mark.parametrize(
    ("completion", "why"),
    [
        (verdict(A=0.3, B=0.1, C=0.6), "60% of the probability went to no answer"),
        (Completion(text="<answer>[[A]]</answer>"), "no probabilities came with the answer"),
        (
            Completion(text="<answer>[[A]]</answer>", tokens=(token("<answer>[[B]]</answer>"),)),
            "of other tokens than it has",
        ),
    ],
)
def test_what_the_probabilities_do_not_say_is_unreadable(completion: Completion, why: str) -> None:
    judgment = judged(PairwiseVerdict(**EXPECTED), completion)
    assert (judgment.status.value, judgment.scores) == ("unparseable", None)
    assert why in judgment.detail
    assert judged(PairwiseVerdict(thinking="none"), completion).ok, "as said it is an answer"


def test_more_may_be_let_go() -> None:
    loose = PairwiseVerdict(**EXPECTED, most_unreadable=0.7)
    assert judged(loose, verdict(A=0.3, B=0.1, C=0.6)).scores[0] == pytest.approx(0.75)


def test_it_has_to_be_asked_for_and_to_exist() -> None:
    with pytest.raises(ConfigError, match=r"set sampling\.top_logprobs"):
        JudgeRewardModel(format=PairwiseVerdict(**EXPECTED), engine=Scripted())
    with pytest.raises(ValueError, match="a lenient reading has none"):
        PairwiseVerdict(reading="expected", lenient=True)
    judge = JudgeRewardModel(
        format=PairwiseVerdict(**EXPECTED), engine=Scripted(), sampling=Sampling(top_logprobs=5)
    )
    for wrapper in (Hinted, BudgetForcing):
        with pytest.raises(ValueError, match='set reading = "said"'):
            wrapper(format=PairwiseVerdict(reading="expected"))
    with pytest.raises(ConfigError, match="training rewards what is said"):
        parts_of(judge, (), ())


def by_hand(model: Path, asked: Sequence[int], written: Sequence[int]) -> Any:
    """Log-probabilities (written, vocabulary) where each written token stands."""
    import torch
    from transformers import AutoModelForCausalLM

    opened = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.no_grad():
        logits = opened(torch.tensor([[*asked, *written]])).logits[0]
    muted = opened.generation_config.suppress_tokens
    logits[:, muted] = -torch.inf
    return logits[len(asked) - 1 : -1].log_softmax(-1)


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_transformers_tells_what_the_model_computes(tiny_model: Path, temperature: float) -> None:
    engine = Transformers(model=str(tiny_model), dtype="float32", device="cpu")
    sampling = Sampling(
        temperature=temperature, seed=3, max_new_tokens=12, top_logprobs=4, stop=("~",)
    )
    others = Sampling(temperature=1.0, seed=4, max_new_tokens=12)

    async def together() -> list[Completion]:
        import asyncio

        asked = (("hi", sampling), ("a longer question", sampling), ("hi", others))
        return list(await asyncio.gather(*(engine.complete(ask(a), s) for a, s in asked)))

    first, second, plain = run(together())
    assert plain.tokens == ()
    tokenizer = engine.open_tokenizer()
    for question, completion in (("hi", first), ("a longer question", second)):
        assert len(completion.tokens) == completion.completion_tokens
        assert completion.text.startswith("".join(one.text for one in completion.tokens[:-1]))
        ids = tokenizer.convert_tokens_to_ids([one.text for one in completion.tokens])
        expected = by_hand(tiny_model, encode_chat(tokenizer, ask(question)), ids)
        for place, (one, row) in enumerate(zip(completion.tokens, expected, strict=True)):
            assert one.logprob == pytest.approx(float(row[ids[place]]), abs=1e-5)
            best = row.topk(4)
            assert [chance for _, chance in one.alternatives] == pytest.approx(
                best.values.tolist(), abs=1e-5
            )
            assert [name for name, _ in one.alternatives] == [
                tokenizer.decode([number]) for number in best.indices.tolist()
            ]


def answer_with(logprobs: Mapping[str, Any] | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": "<answer>[[A]]</answer>"}
    choice = {"message": message, "finish_reason": "stop", "logprobs": logprobs}
    return {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}


def test_a_server_is_asked_and_read(chat_server: Callable[..., Any], tmp_path: Path) -> None:
    content = [
        {
            "token": one.text, "logprob": one.logprob, "bytes": None,
            "top_logprobs": [{"token": t, "logprob": p} for t, p in one.alternatives],
        }
        for one in verdict(A=0.8, B=0.2).tokens
    ]  # fmt: skip

    async def script(number: int, body: dict[str, Any], request: Any) -> Any:
        return answer_with({"content": content} if "logprobs" in body else None)

    server = chat_server(script)
    engine = OpenAI(model="m", base_url=server.url)
    kept = Cached(engine=engine, path=tmp_path / "kept.sqlite")
    judge = JudgeRewardModel(
        format=PairwiseVerdict(**EXPECTED), engine=kept, sampling=TOLD, orders="first"
    )
    first, again = judge.judge([TASK]), judge.judge([TASK])
    assert first == again and len(server.asked) == 1
    assert list(first[0].scores) == pytest.approx([0.8, 0.2])
    assert server.asked[0]["logprobs"] is True and server.asked[0]["top_logprobs"] == 5
    said = JudgeRewardModel(format=PairwiseVerdict(thinking="none"), engine=engine)
    assert said.judge([TASK])[0].judgments[0].probabilities == ()
    assert "logprobs" not in server.asked[1] and "top_logprobs" not in server.asked[1]


def test_a_server_without_them_is_no_judge_of_probabilities(
    chat_server: Callable[..., Any],
) -> None:
    async def script(number: int, body: dict[str, Any], request: Any) -> Any:
        return answer_with(None)

    server = chat_server(script)
    engine = OpenAI(model="m", base_url=server.url)
    with pytest.raises(EngineError, match=r"gave no probabilities.*top_logprobs"):
        run(engine.complete(ask("hi"), TOLD))
