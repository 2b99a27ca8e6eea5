"""`/v1/judge`: all of a judgment over HTTP, as the same call in Python gives it."""

from __future__ import annotations

import asyncio
from math import exp
from typing import Any

import pytest
from reward_client import ask, ask_all, asked_of, by_length, metric, pointwise, sample, scored

from j1sdk import (
    Completion,
    EngineError,
    JudgeRewardModel,
    JudgmentTask,
    PairwiseScores,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Scripted,
    deliberation,
)  # fmt: skip
from j1sdk.server import Serve, served
from j1sdk.types import Token

PAIR = {"prompt": "Why?", "responses": ["short", "a longer one"]}


def test_a_pair_is_judged_in_both_orders() -> None:
    with served(by_length()) as server:
        reply = ask(f"{server.url}/v1/judge", PAIR)
    (result,) = by_length().judge(
        [JudgmentTask(prompt="Why?", responses=("short", "a longer one"))]
    )
    answer = reply.json
    assert reply.status == 200 and answer["status"] == "ok" and answer["detail"] == ""
    assert answer["scores"] == list(result.scores) == [0.0, 1.0]
    assert (answer["preferred"], answer["consistent"]) == (1, True)
    assert answer["range"] == [0.0, 1.0]
    assert [one["order"] for one in answer["judgments"]] == [[0, 1], [1, 0]]
    assert [one["scores"] for one in answer["judgments"]] == [[0.0, 1.0], [1.0, 0.0]]
    assert {one["status"] for one in answer["judgments"]} == {"ok"}
    assert answer["judgments"][0]["text"].endswith("<answer>[[B]]</answer>")
    assert answer["usage"] == result.usage.model_dump()
    assert answer["usage"]["calls"] == 2


def test_the_scores_are_in_the_judges_own_range() -> None:
    text = PairwiseScores().write((7.5, 4.0))
    judge = JudgeRewardModel(
        format=PairwiseScores(), engine=Scripted(script=lambda asked, sampling: text)
    )
    with served(judge) as server:
        answer = ask(f"{server.url}/v1/judge", PAIR).json
    assert answer["scores"] == [5.75, 5.75] and answer["range"] == [0.0, 10.0]
    assert answer["preferred"] is None and answer["consistent"] is False


def test_probabilities_are_told_where_they_are_known() -> None:
    def likely(asked: object, sampling: object) -> Completion:
        told = (("A", -0.25), ("B", -1.5))
        tokens = (Token("<answer>[[", 0.0), Token("A", -0.25, told), Token("]]</answer>", 0.0))
        return Completion(text="<answer>[[A]]</answer>", tokens=tokens)

    judge = JudgeRewardModel(
        format=PairwiseVerdict(thinking="none"),
        engine=Scripted(script=likely),
        sampling=Sampling(top_logprobs=2),
    )
    with served(judge) as server:
        answer = ask(f"{server.url}/v1/judge", PAIR).json
    for one in answer["judgments"]:
        assert one["probabilities"] == [pytest.approx({"A": exp(-0.25), "B": exp(-1.5)})]


def test_a_pointwise_judge_scores_each() -> None:
    def by_mark(question: str) -> str:
        return Pointwise().write((9.0 if "longer" in question else 3.0,))

    with served(pointwise(by_mark)) as server:
        answer = ask(f"{server.url}/v1/judge", PAIR).json
        alone = ask(f"{server.url}/v1/judge", {**PAIR, "responses": ["longer"]}).json
    assert answer["scores"] == [3.0, 9.0] and answer["range"] == [0.0, 10.0]
    assert answer["preferred"] == 1 and answer["consistent"] is None
    assert alone["scores"] == [9.0] and alone["preferred"] is None


def test_more_than_two_are_ranked() -> None:
    responses = ["aa", "a", "aaa", "aa"]
    with served(by_length()) as server:
        answer = ask(f"{server.url}/v1/judge", {"prompt": "Why?", "responses": responses}).json
    assert answer["scores"] == list(by_length().rank("Why?", responses).scores)
    assert answer["preferred"] == 2 and answer["consistent"] is None
    assert len(answer["judgments"]) == answer["usage"]["calls"] == 6


def test_the_prompt_may_be_a_conversation_and_come_with_a_reference() -> None:
    judge = pointwise(scored(5))
    prompt = [
        {"role": "user", "content": "Name a colour."},
        {"role": "assistant", "content": "Blue."},
        {"role": "user", "content": "Warmer."},
    ]
    body = {"prompt": prompt, "responses": ["Red."], "reference": "Orange."}
    with served(judge) as server:
        assert ask(f"{server.url}/v1/judge", body).json["status"] == "ok"
    question = judge.engine.asked[-1][-1].content  # type: ignore[attr-defined]
    assert "Blue." in question and "Orange." in question


class TestFailure:
    """There is no policy here: what failed has no number, and says so."""

    @pytest.mark.parametrize("unscored", ["error", "neutral", "floor"])
    def test_a_failed_judgment_is_null_with_its_status(self, unscored: Any) -> None:
        judge = pointwise(lambda question: "no idea")
        with served(judge, Serve(port=0, unscored=unscored, warm_up=False)) as server:
            reply = ask(f"{server.url}/v1/judge", {"prompt": "p", "responses": ["a"]})
        answer = reply.json
        assert reply.status == 200 and answer["status"] == "unscored"
        assert answer["scores"] == [None] and answer["preferred"] is None
        assert answer["detail"].startswith("unparseable: ")
        assert answer["judgments"][0]["status"] == "unparseable"
        assert answer["judgments"][0]["scores"] is None
        assert answer["judgments"][0]["text"] == "no idea"

    def test_an_order_that_failed_leaves_no_score(self) -> None:
        answers = iter([PairwiseVerdict().write((1.0, 0.0)), EngineError("down")])
        engine = Scripted(script=lambda asked, sampling: next(answers))
        judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
        with served(judge, Serve(port=0, warm_up=False)) as server:
            answer = ask(f"{server.url}/v1/judge", PAIR).json
        assert answer["scores"] == [None, None] and answer["detail"] == "engine_error: down"
        assert [one["status"] for one in answer["judgments"]] == ["ok", "engine_error"]

    def test_a_deadline_is_a_status(self) -> None:
        options = Serve(port=0, deadline=0.1, warm_up=False, unscored="floor")
        with served(pointwise(scored(5), 60), options) as server:
            reply = ask(f"{server.url}/v1/judge", PAIR)
        assert reply.status == 200
        assert reply.json == {
            "status": "deadline", "detail": "no verdict within 0.1 s", "scores": [None, None],
            "judgments": [],
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("body", "complaint"),
        [
            ({"prompt": "p", "responses": []}, "responses: Tuple should have at least 1 item"),
            ({"prompt": "p", "responses": ["a"]}, "compares responses: send two or more"),
            ({"prompt": "p"}, "responses: Field required"),
            ({"prompt": [], "responses": ["a", "b"]}, "prompt: Tuple should have at least 1"),
            ({"prompt": "p", "responses": ["a", 3]}, "responses.1: Input should be a valid string"),
            ({"prompt": "p", "response": ["a"]}, "unknown key 'response'; did you mean"),
            (
                {"prompt": "p", "responses": ["a", "b", "c"], "reference": "r"},
                "is shown no reference",
            ),
            ({"prompt": [{"role": "robot", "content": "x"}], "responses": ["a", "b"]}, "prompt"),
        ],
    )
    def test_what_it_cannot_judge_it_refuses(self, body: Any, complaint: str) -> None:
        with served(by_length()) as server:
            reply = ask(f"{server.url}/v1/judge", body)
        assert reply.status == 422 and complaint in reply.json["error"]


def test_identical_tasks_in_flight_share_their_judgments() -> None:
    judge = pointwise(scored(5), 0.3)
    with served(judge, Serve(port=0, warm_up=False)) as server:
        replies = asyncio.run(ask_all(f"{server.url}/v1/judge", [PAIR] * 5))
        assert metric(server.url, "j1_shared_total") == 4
    assert len({reply.body for reply in replies}) == 1 and asked_of(judge) == 2


def test_a_cohort_server_answers_it_at_once() -> None:
    options = Serve(port=0, cohort=8, warm_up=False)
    with served(by_length(), options) as server:
        assert ask(f"{server.url}/v1/judge", PAIR).json["preferred"] == 1


def test_judgments_are_counted_with_all_others() -> None:
    with served(pointwise(scored(5)), Serve(port=0, warm_up=False)) as server:
        ask(f"{server.url}/v1/judge", PAIR)
        ask(f"{server.url}/get_reward", sample("x"))
        assert metric(server.url, "j1_judgments_total", status="ok") == 3
        assert metric(server.url, "j1_engine_calls_total") == 3
        stats = ask(f"{server.url}/v1/stats").json
    assert stats["statuses"]["ok"] == 3 and len(stats["latest"]) == 3


def test_a_very_long_response_is_quoted_off_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which goes on meanwhile, for others; the control has it quoted on the loop."""
    turned = turns_while_quoting()
    monkeypatch.setattr(deliberation, "LONG", 10**9)
    assert turned > 50 > turns_while_quoting()


def turns_while_quoting() -> int:
    """How often the event loop turns while four million characters are made ready to be judged."""
    judge = pointwise(scored(5))
    task = JudgmentTask(prompt="2+2?", responses=("<" * 4_000_000,))

    async def count() -> int:
        judging, turns = asyncio.create_task(judge.judge_async([task])), 0
        while not judging.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    return asyncio.run(count())
