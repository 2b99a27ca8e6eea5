from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from j1sdk.engines.scripted import Scripted
from j1sdk.errors import ConfigError, EngineError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.pairwise_scores import PairwiseScores
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.formats.pointwise import Pointwise
from j1sdk.judge import JudgeRewardModel, RankedResponses
from j1sdk.types import (
    Completion,
    Conversation,
    JudgmentStatus,
    JudgmentTask,
    Presentation,
    Sampling,
    Scores,
)

Opinion = Callable[..., "Scores | str | Completion | Exception"]
TASK = JudgmentTask.from_pair("2+2?", chosen="4", rejected="5")
VERDICT = PairwiseVerdict()
ENGINE_ERROR = EngineError("the model is gone")


def oracle(format: JudgmentFormat, opinion: Opinion) -> Scripted:
    """Scores the responses it is shown by an opinion; what is no scores, it says as it is."""

    def script(conversation: Conversation, sampling: Sampling) -> str | Completion | Exception:
        fenced = r"\[Response(?: of assistant .)?\]\n(.*?)\n\[End of response"
        shown = re.findall(fenced, conversation[-1].content, re.DOTALL)
        assert len(shown) == format.arity
        said = opinion(*shown)
        return format.write(said, "hm") if isinstance(said, tuple) else said

    return Scripted(script=script)


def judging(opinion: Opinion, format: JudgmentFormat = VERDICT, **options: Any) -> JudgeRewardModel:
    return JudgeRewardModel(format=format, engine=oracle(format, opinion), **options)


def smaller(a: str, b: str) -> Scores:
    """Prefers the smaller number, wherever it is shown."""
    return (1.0, 0.0) if int(a) < int(b) else (0.0, 1.0)


def always_a(a: str, b: str) -> Scores:
    return (1.0, 0.0)


def fails_when_4_is_second(a: str, b: str) -> Scores | str:
    return "no idea" if b == "4" else smaller(a, b)


def asked(judge: JudgeRewardModel) -> int:
    assert isinstance(judge.engine, Scripted)
    return len(judge.engine.asked)


def test_a_pair_is_judged_in_both_orders() -> None:
    (result,) = judging(smaller).judge([TASK])
    assert [judgment.order for judgment in result.judgments] == [(0, 1), (1, 0)]
    assert result.scores == (1.0, 0.0)
    assert (result.preferred, result.consistent) == (0, True)
    assert result.usage.calls == 2


def test_position_bias_cancels_over_both_orders() -> None:
    (result,) = judging(always_a).judge([TASK])
    assert result.scores == (0.5, 0.5)
    assert (result.preferred, result.consistent) == (None, False)


def test_one_order_is_half_the_cost_and_keeps_the_bias() -> None:
    judge = judging(always_a, orders="first")
    (result,) = judge.judge([TASK])
    assert (result.scores, result.consistent, asked(judge)) == ((1.0, 0.0), None, 1)


def test_results_come_in_the_order_of_the_tasks() -> None:
    tasks = [JudgmentTask(prompt=f"p{number}", responses=(str(number), "5")) for number in range(9)]
    results = judging(smaller).judge(tasks)
    assert [result.task for result in results] == tasks
    assert [result.preferred for result in results] == [0] * 5 + [None] + [1] * 3


def test_a_pointwise_judge_sees_each_response_once_and_alone() -> None:
    judge = judging(lambda shown: (float(shown),), Pointwise())
    (result,) = judge.judge([TASK])
    assert (result.scores, result.preferred, asked(judge)) == ((4.0, 5.0), 1, 2)
    assert result.consistent is None


FAILURES = [
    ("no idea", JudgmentStatus.UNPARSEABLE),
    (Completion(text="<think>well", finish_reason="length"), JudgmentStatus.TRUNCATED),
    ("</think><score>11</score>", JudgmentStatus.OUT_OF_RANGE),
    (ENGINE_ERROR, JudgmentStatus.ENGINE_ERROR),
]


@pytest.mark.parametrize(("said", "status"), FAILURES)
def test_a_failed_judgment_is_none_everywhere_and_never_a_number(
    said: Any, status: JudgmentStatus
) -> None:
    judge = judging(lambda _: said, Pointwise())
    (result,) = judge.judge([TASK])
    assert [judgment.status for judgment in result.judgments] == [status, status]
    assert [judgment.scores for judgment in result.judgments] == [None, None]
    assert (result.scores, result.preferred, result.consistent) == ((None, None), None, None)
    assert judge.score(["2+2?"], ["4"]) == [None]
    ranked = judge.rank("2+2?", ["4", "5"])
    assert (ranked.scores, ranked.order) == ((None, None), ())


@pytest.mark.parametrize("said", ["no idea", ENGINE_ERROR])
def test_a_failed_pairwise_judgment_is_none_everywhere_too(said: Any) -> None:
    judge = judging(lambda a, b: said)
    assert judge.judge([TASK])[0].scores == (None, None)
    assert judge.score(["2+2?"], ["4"], ["5"]) == [None]
    assert judge.rank("2+2?", ["4", "5"]).scores == (None, None)


def test_one_failed_order_leaves_no_score() -> None:
    judge = judging(fails_when_4_is_second)
    (result,) = judge.judge([TASK])
    assert [judgment.status.value for judgment in result.judgments] == ["ok", "unparseable"]
    assert (result.scores, result.preferred, result.consistent) == ((None, None), None, None)
    assert judge.score(["2+2?"], ["4"], ["5"]) == [None]


def test_one_failure_leaves_the_others_their_scores() -> None:
    judge = judging(lambda shown: "no idea" if shown == "5" else (float(shown),), Pointwise())
    assert judge.judge([TASK])[0].scores == (4.0, None)
    assert judge.score(["p", "p"], ["5", "10"]) == [None, 1.0]


def test_an_engine_error_keeps_its_message() -> None:
    judgment = judging(lambda _: ENGINE_ERROR, Pointwise()).judge([TASK])[0].judgments[0]
    assert judgment.detail == "the model is gone"
    assert [message.role for message in judgment.transcript] == ["user"]


def test_a_mistake_in_an_engine_is_raised_and_not_a_status() -> None:
    with pytest.raises(ZeroDivisionError):
        judging(lambda _: ZeroDivisionError(), Pointwise()).judge([TASK])


@pytest.mark.parametrize(
    ("format", "given", "scaled"),
    [
        (Pointwise(), [0.0, 7.5, 10.0], [0.0, 0.75, 1.0]),
        (Pointwise(low=1, high=5), [1.0, 2.0, 5.0], [0.0, 0.25, 1.0]),
        (Pointwise(low=-10, high=0), [-10.0, -5.0, 0.0], [0.0, 0.5, 1.0]),
    ],
)
def test_scores_are_scaled_to_0_to_1(
    format: Pointwise, given: list[float], scaled: list[float]
) -> None:
    judge = judging(lambda shown: (float(shown),), format)
    responses = [str(score) for score in given]
    assert judge.score(["p"] * 3, responses) == scaled
    assert judge.rank("p", responses).scores == tuple(scaled)


@pytest.mark.parametrize(
    ("opinion", "score"),
    [(smaller, 1.0), (lambda a, b: smaller(b, a), 0.0), (always_a, 0.5)],
)
def test_against_a_reference_a_pairwise_score_is_the_mean_win(
    opinion: Opinion, score: float
) -> None:
    assert judging(opinion).score(["2+2?"], ["4"], ["5"]) == [score]


def test_a_mean_win_looks_at_who_won_and_not_by_how_much() -> None:
    judge = judging(lambda a, b: (9.0, 8.5) if a == "4" else (1.0, 1.0), PairwiseScores())
    assert judge.score(["2+2?"], ["4"], ["5"]) == [0.75]


def test_without_references_a_pairwise_judge_cannot_score() -> None:
    judge = judging(smaller)
    with pytest.raises(ConfigError, match="give `references`"):
        judge.score(["2+2?"], ["4"])
    assert asked(judge) == 0


def test_a_reference_is_shown_to_a_pointwise_judge() -> None:
    judge = judging(lambda shown: (float(shown),), Pointwise())
    judge.score(["2+2?"], ["4"], ["It is four."])
    assert isinstance(judge.engine, Scripted)
    assert "It is four." in judge.engine.asked[0][0].content


@pytest.mark.parametrize(
    "columns", [(["p"], ["a", "b"]), (["p", "q"], ["a"]), (["p"], ["a"], ["r", "s"])]
)
def test_columns_of_different_lengths_are_refused(columns: tuple[list[str], ...]) -> None:
    with pytest.raises(ValueError):
        judging(lambda shown: (1.0,), Pointwise()).score(*columns)


def test_a_pairwise_judge_takes_tasks_of_two() -> None:
    task = JudgmentTask(prompt="p", responses=("1", "2", "3"))
    with pytest.raises(ConfigError, match=r"has 3 responses.*use rank"):
        judging(smaller).judge([task])


def test_a_group_is_ranked_by_mean_wins() -> None:
    ranked = judging(smaller).rank("2+2?", ["7", "4", "5"])
    assert ranked.scores == (0.0, 1.0, 0.5)
    assert ranked.order == (1, 2, 0)
    assert ranked.usage.calls == len(ranked.judgments) == 6


@pytest.mark.parametrize(
    ("format", "opinion", "judgments", "scores"),
    [
        (PairwiseVerdict(), smaller, 2, (1.0, 0.0, 1.0, 0.0)),
        (Pointwise(), lambda shown: (float(shown),), 2, (0.4, 0.5, 0.4, 0.5)),
    ],
)
def test_equal_responses_are_judged_once_and_share_a_score(
    format: JudgmentFormat, opinion: Opinion, judgments: int, scores: tuple[float, ...]
) -> None:
    judge = judging(opinion, format)
    assert judge.rank("2+2?", ["4", "5", "4", "5"]).scores == scores
    assert asked(judge) == judgments


def test_a_group_of_equals_is_all_ties_and_costs_a_pairwise_judge_nothing() -> None:
    judge = judging(smaller)
    assert judge.rank("2+2?", ["4", "4"]).scores == (0.5, 0.5)
    assert asked(judge) == 0


def test_order_leaves_out_what_has_no_score_and_keeps_ties_in_place() -> None:
    ranked = RankedResponses(scores=(0.5, None, 1.0, 0.5), judgments=())
    assert ranked.order == (2, 0, 3)


def test_sync_and_async_forms_say_the_same() -> None:
    judge = judging(smaller)

    async def everything() -> tuple[Any, ...]:
        return (
            await judge.judge_async([TASK]),
            await judge.score_async(["p"], ["4"], ["5"]),
            await judge.rank_async("p", ["4", "5"]),
        )

    plain = (judge.judge([TASK]), judge.score(["p"], ["4"], ["5"]), judge.rank("p", ["4", "5"]))
    assert asyncio.run(everything()) == plain


def test_plain_methods_work_inside_a_running_event_loop() -> None:
    async def notebook_cell() -> list[float | None]:
        return judging(smaller).score(["p"], ["4"], ["5"])

    assert asyncio.run(notebook_cell()) == [1.0]


def test_a_plain_method_inside_an_engine_is_refused_and_does_not_hang() -> None:
    inner = judging(lambda shown: (1.0,), Pointwise())
    outer = judging(lambda shown: (inner.score(["p"], [shown])[0] or 0.0,), Pointwise())
    with pytest.raises(RuntimeError, match="_async"):
        outer.score(["p"], ["r"])


def test_judgments_are_asked_for_all_at_once() -> None:
    waiting, most = 0, 0

    class Slow(Scripted):
        name: ClassVar[str] = "slow"

        async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
            nonlocal waiting, most
            waiting += 1
            most = max(most, waiting)
            await asyncio.sleep(0.01)
            waiting -= 1
            return Completion(text="</think><answer>[[A]]</answer>")

    JudgeRewardModel(format=PairwiseVerdict(), engine=Slow()).judge([TASK] * 10)
    assert most == 20


def test_the_sampling_reaches_the_engine() -> None:
    seen: list[Sampling] = []

    def script(conversation: Conversation, sampling: Sampling) -> str:
        seen.append(sampling)
        return ""

    sampling = Sampling(temperature=0.7, top_p=0.9, max_new_tokens=33, stop=("x",), seed=5)
    judge = JudgeRewardModel(format=Pointwise(), engine=Scripted(script=script), sampling=sampling)
    judge.score(["p"], ["r"])
    assert [one.model_copy(update={"seed": 5}) for one in seen] == [sampling]


def test_one_presentation_can_be_judged_by_itself() -> None:
    shown = Presentation(task=TASK, order=(1, 0))
    judgment = asyncio.run(judging(smaller).present_async(shown))
    assert (judgment.order, judgment.scores, judgment.verdict()) == ((1, 0), (0.0, 1.0), 0)


def test_a_judge_is_its_options() -> None:
    dumped = JudgeRewardModel(format=Pointwise(high=5), engine=Scripted()).model_dump()
    assert dumped["format"]["name"] == "pointwise"
    assert dumped["format"]["high"] == 5
    with pytest.raises(ConfigError, match="did you mean 'format'"):
        JudgeRewardModel(formt=Pointwise(), engine=Scripted())  # type: ignore[call-arg]


def test_a_seed_repeats_a_run_without_drawing_every_question_alike() -> None:
    def seeds(seed: int | None) -> list[int | None]:
        drawn: list[int | None] = []

        def note(conversation: Conversation, sampling: Sampling) -> str:
            drawn.append(sampling.seed)
            return PairwiseVerdict().write((1.0, 0.0))

        engine, sampling = Scripted(script=note), Sampling(temperature=1.0, seed=seed)
        judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine, sampling=sampling)
        judge.judge([JudgmentTask.from_pair(f"{n}?", "yes", "no") for n in range(5)])
        return drawn

    assert len(set(seeds(7))) == 10
    assert seeds(7) == seeds(7) != seeds(8)
    assert set(seeds(None)) == {None}
