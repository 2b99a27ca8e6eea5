from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from j1sdk_spct import MetaJudge

from j1sdk import (
    Completion,
    ConfigError,
    Conversation,
    EngineError,
    JudgeRewardModel,
    Judgment,
    JudgmentStatus,
    JudgmentTask,
    Mean,
    PairwiseScores,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Scaling,
    Scores,
    Scripted,
    Single,
    Vote,
)
from j1sdk.background import run
from j1sdk.run import Run, build_run, dump_run
from j1sdk.testing import Drawing, ScalingContract

A, B, TIE = (1.0, 0.0), (0.0, 1.0), (5.0, 5.0)
TASK = JudgmentTask.from_pair("Sum of 2 and 2?", "4", "5")


def graded(conversation: Conversation, sampling: Sampling) -> str:
    """A judge of judgments that scores them all alike."""
    return Pointwise().write((6.0,))


class TestSingle(ScalingContract):
    component = Single()


class TestVote(ScalingContract):
    component = Vote(n=5)


class TestVoteOfOne(ScalingContract):
    component = Vote(n=1)


class TestEarlyStoppedVote(ScalingContract):
    component = Vote(n=9, early_stop=True)


class TestMean(ScalingContract):
    component = Mean(n=6)


class Alike(Scripted):
    """Answers every question with one grade, and can be named in a run file."""

    name = "alike"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return Completion(text=graded(conversation, sampling))


class TestMetaJudge(ScalingContract):
    component = MetaJudge(n=6, keep=3, format=Pointwise(), engine=Alike())


class TestMetaJudgeOfMeans(ScalingContract):
    component = MetaJudge(n=2, keep=2, format=Pointwise(), engine=Alike(), then="mean")


def add(scaling: Scaling, said: list[Scores | None], arity: int = 2) -> Judgment:
    return run(scaling.judge(Drawing(lambda number: said[number], arity).samples))


@pytest.mark.parametrize(
    ("said", "scores"),
    [
        ([A, A, B], (1.0, 0.0)),
        ([B, A, B, B], (0.0, 1.0)),
        ([A, B], (0.5, 0.5)),
        ([A, TIE, TIE, TIE], (1.0, 0.0)),
        ([A, B, TIE], (0.5, 0.5)),
        ([None, B, None], (0.0, 1.0)),
        ([(9.0, 8.0), (0.0, 10.0), (3.0, 2.0)], (1.0, 0.0)),
    ],
)
def test_a_vote_is_for_the_response_most_samples_prefer(
    said: list[Scores | None], scores: Scores
) -> None:
    assert add(Vote(n=len(said)), said).scores == scores


def test_of_one_response_the_score_given_most_often_counts() -> None:
    assert add(Vote(n=4), [(7.0,), (2.0,), (7.0,), (9.0,)], arity=1).scores == (7.0,)
    assert add(Vote(n=4), [(7.0,), (8.0,), (7.0,), (8.0,)], arity=1).scores == (7.5,)


def test_of_three_responses_a_tied_sample_shares_its_vote() -> None:
    tied = (1.0, 1.0, 0.0)
    said: list[Scores | None] = [tied, tied, (0.0, 1.0, 0.0)]
    assert add(Vote(n=3), said, arity=3).scores == (0.0, 1.0, 0.0)
    thirds: list[Scores | None] = [(1.0, 1.0, 1.0)] * 3
    assert add(Vote(n=3), thirds, arity=3).scores == (1 / 3,) * 3


def test_a_mean_is_of_the_samples_that_were_read() -> None:
    said: list[Scores | None] = [(9.0, 2.0), None, (4.0, 6.0), (5.0, 1.0)]
    assert add(Mean(n=4), said).scores == (6.0, 3.0)
    assert add(Mean(n=2), [(7.0,), (8.0,)], arity=1).scores == (7.5,)


def test_a_mean_of_verdicts_is_their_share() -> None:
    assert add(Mean(n=4), [A, A, B, A]).scores == (0.75, 0.25)


def test_what_was_drawn_is_kept_and_costs_are_added_up() -> None:
    made = add(Vote(n=3), [B, A, A])
    assert [sample.scores for sample in made.samples] == [B, A, A]
    assert (made.usage.calls, made.usage.completion_tokens) == (3, 1 + 2 + 3)


def test_the_transcript_is_one_that_agrees_with_the_outcome() -> None:
    assert add(Vote(n=3), [B, A, A]).text == f"sample 1: {A}"
    assert add(Mean(n=3), [None, B, A]).text.startswith("sample"), "a tie has a transcript too"


def test_where_nothing_was_read_the_commonest_failure_is_the_status() -> None:
    statuses = [JudgmentStatus.TRUNCATED, JudgmentStatus.ENGINE_ERROR, JudgmentStatus.TRUNCATED]

    class Failing(Drawing):
        async def draw(self, number: int) -> Judgment:
            return (await super().draw(number)).model_copy(update={"status": statuses[number]})

    made = run(Vote(n=3).judge(Failing(lambda number: None).samples))
    assert made.status is JudgmentStatus.TRUNCATED
    assert made.detail == "no sample counts: truncated 2, engine_error 1"


SAID = st.sampled_from([A, A, B, TIE, None])


@given(st.lists(SAID, min_size=1, max_size=33))
def test_an_early_stopped_vote_is_the_full_vote(said: list[Scores | None]) -> None:
    full, stopped = (add(Vote(n=len(said), early_stop=stop), said) for stop in (False, True))
    assert (stopped.scores, stopped.status) == (full.scores, full.status)
    assert len(stopped.samples) <= len(full.samples)
    assert stopped.samples == full.samples[: len(stopped.samples)], "others were drawn"


@given(st.lists(st.sampled_from([(3.0,), (4.0,), (5.0,), None]), min_size=1, max_size=20))
def test_an_early_stopped_vote_on_one_response_is_the_full_vote(said: list[Scores | None]) -> None:
    full, stopped = (add(Vote(n=len(said), early_stop=stop), said, 1) for stop in (False, True))
    assert (stopped.scores, stopped.status) == (full.scores, full.status)


@given(st.lists(st.permutations([2.0, 1.0, 1.0, 0.0]).map(tuple), min_size=1, max_size=20))
def test_an_early_stopped_vote_on_four_responses_is_the_full_vote(
    said: list[Scores | None],
) -> None:
    full, stopped = (add(Vote(n=len(said), early_stop=stop), said, 4) for stop in (False, True))
    assert stopped.scores == full.scores


def settled(said: list[Scores | None], count: int) -> bool:
    """Whether every way the vote could go on ends alike, found by trying the extremes."""
    left = len(said) - count
    outcomes = {
        add(Vote(n=len(said)), [*said[:count], *[rest] * left]).scores for rest in (A, B, None)
    }
    return len(outcomes) == 1


@given(st.lists(SAID, min_size=1, max_size=12))
def test_a_vote_is_stopped_at_the_first_sample_that_settles_it(said: list[Scores | None]) -> None:
    count = len(add(Vote(n=len(said), early_stop=True), said).samples)
    assert settled(said, count)
    assert count == 1 or not settled(said, count - 1), "one fewer would have done"


def test_a_clear_vote_is_over_after_half_and_drawn_at_once() -> None:
    waits: list[int] = []

    class Waiting(Drawing):
        async def draw(self, number: int) -> Judgment:
            waits.append(number)
            return await super().draw(number)

    made = run(Vote(n=31, early_stop=True).judge(Waiting(lambda number: A).samples))
    assert len(made.samples) == 16 and waits == list(range(16))


def judge(scaling: Scaling, engine: Any, form: Any = None, **sampling: Any) -> JudgeRewardModel:
    known = {"temperature": 1.0, "seed": 3, **sampling}
    form = form or PairwiseVerdict()
    return JudgeRewardModel(format=form, engine=engine, scaling=scaling, sampling=Sampling(**known))


def noisy(right: float, form: Any) -> Scripted:
    """A judge that is right so often, decided by the seed it is asked with."""

    def answer(conversation: Conversation, sampling: Sampling) -> str:
        first = conversation[-1].content.index("4") < conversation[-1].content.index("5")
        correct = random.Random(sampling.seed).random() < right
        return str(form.write(A if correct == first else B))

    return Scripted(script=answer)


def test_every_sample_of_a_presentation_has_a_seed_of_its_own() -> None:
    seeds: list[int | None] = []

    def answer(conversation: Conversation, sampling: Sampling) -> str:
        seeds.append(sampling.seed)
        return PairwiseVerdict().write(A)

    engine = Scripted(script=answer)
    judge(Vote(n=8), engine).judge([TASK])
    assert len(set(seeds)) == 16
    once = list(seeds)
    judge(Vote(n=8), engine).judge([TASK])
    assert sorted(map(str, seeds[16:])) == sorted(map(str, once)), "a seed does not repeat"


def test_the_first_sample_is_the_judgment_a_single_one_would_be() -> None:
    engine = noisy(0.5, PairwiseVerdict())
    for seed in range(8):
        one = judge(Single(), engine, seed=seed).judge([TASK])[0].judgments
        many = judge(Vote(n=4), engine, seed=seed).judge([TASK])[0].judgments
        assert tuple(judgment.samples[0] for judgment in many) == one


def test_votes_make_a_noisy_judge_better() -> None:
    tasks = [TASK.model_copy(update={"id": f"task-{number}"}) for number in range(150)]

    def right(scaling: Scaling) -> float:
        results = judge(scaling, noisy(0.7, PairwiseVerdict())).judge(tasks)
        return sum(result.consistent is True for result in results) / len(results)

    single, voted, stopped = map(right, (Single(), Vote(n=15), Vote(n=15, early_stop=True)))
    assert single < 0.7 < voted
    assert stopped == voted


def test_an_early_stop_changes_nothing_in_a_result_but_its_cost() -> None:
    results = [
        judge(Vote(n=16, early_stop=stop), noisy(0.8, PairwiseScores()), PairwiseScores()).judge(
            [TASK]
        )[0]
        for stop in (False, True)
    ]
    assert results[0].scores == results[1].scores
    assert results[0].consistent == results[1].consistent
    assert results[1].usage.calls < results[0].usage.calls == 32


def test_scores_and_rankings_are_made_of_scaled_judgments() -> None:
    form = Pointwise()
    engine = Scripted(script=lambda asked, sampling: form.write((float((sampling.seed or 0) % 2),)))
    scored = judge(Mean(n=16), engine, form, seed=5).score(["Sum?"], ["4"])
    assert scored[0] is not None and 0 < scored[0] < 0.1
    ranked = judge(Vote(n=3), noisy(1.0, PairwiseVerdict())).rank("Sum?", ["4", "5"])
    assert ranked.scores == (1.0, 0.0)
    assert ranked.usage.calls == 6


def test_drawing_the_same_judgment_many_times_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"vote would draw one judgment 8 times over at"):
        judge(Vote(), Scripted(), temperature=0.0)
    assert judge(Vote(n=1), Scripted(), temperature=0.0).scaling == Vote(n=1)


def meta(grade: Callable[[str], float | None], **options: Any) -> MetaJudge:
    """A judge of judgments with this opinion of a judgment's text."""

    def answer(conversation: Conversation, sampling: Sampling) -> str:
        value = grade(conversation[-1].content)
        return "hard to say" if value is None else Pointwise().write((value,))

    return MetaJudge(**{"format": Pointwise(), "engine": Scripted(script=answer), **options})


def test_only_the_best_judgments_count() -> None:
    said: list[Scores | None] = [B, B, A, B, A, A]
    chosen = meta(lambda text: 9.0 if f"{A}" in text else 1.0, n=6, keep=3)
    assert add(chosen, said).scores == (1.0, 0.0)
    assert add(Vote(n=6), said).scores == (0.5, 0.5), "the control: all count"


def test_the_kept_may_be_averaged() -> None:
    said: list[Scores | None] = [(9.0, 1.0), (5.0, 3.0), (0.0, 10.0)]
    chosen = meta(lambda text: 0.0 if "10.0" in text else 5.0, n=3, keep=2, then="mean")
    assert add(chosen, said).scores == (7.0, 2.0)


def test_equal_grades_keep_the_samples_drawn_first() -> None:
    assert add(meta(lambda text: 5.0, n=3, keep=1), [B, A, A]).scores == (0.0, 1.0)


def test_a_judgment_that_could_not_be_graded_does_not_count() -> None:
    unsure = meta(lambda text: None if f"{A}" in text else 2.0, n=3, keep=3)
    assert add(unsure, [A, A, B]).scores == (0.0, 1.0)


def test_without_a_single_grade_there_are_no_scores() -> None:
    made = add(meta(lambda text: None, n=2, keep=1), [A, B])
    assert (made.scores, made.status) == (None, JudgmentStatus.UNPARSEABLE)
    assert made.detail == "no sample counts: unparseable 2"


def test_a_meta_judge_that_cannot_be_reached_is_an_engine_error() -> None:
    gone = Scripted(script=lambda asked, sampling: EngineError("gone"))
    made = add(meta(lambda text: None, n=2, keep=1, engine=gone), [A, B])
    assert made.status is JudgmentStatus.ENGINE_ERROR


def test_the_judge_of_judgments_reads_the_question_and_the_judgment() -> None:
    asked: list[str] = []

    def grade(text: str) -> float:
        asked.append(text)
        return 5.0

    made = add(meta(grade, n=2, keep=1), [A, B])
    assert all("Which?" in text and f"sample {n}: " in text for n, text in enumerate(asked))
    assert made.usage.calls == 4, "what it cost to judge the judgments counts"


def test_a_judge_can_judge_its_own_judgments() -> None:
    form = PairwiseVerdict()

    def answer(conversation: Conversation, sampling: Sampling) -> str:
        own = "0 to 10" in conversation[-1].content
        return Pointwise().write((8.0,)) if own else form.write(A)

    made = judge(MetaJudge(n=4, keep=2, format=Pointwise()), Scripted(script=answer)).judge([TASK])
    assert made[0].judgments[0].scores == A
    assert made[0].usage.calls == 2 * (4 + 4)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"keep": 9}, "keep is 9, but only 8 are drawn"),
        ({"format": PairwiseVerdict()}, "pairwise-verdict shows 2 responses: a judgment is one"),
        ({"then": "max"}, "then"),
    ],
)
def test_a_meta_judge_that_cannot_work_is_refused(options: Any, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        MetaJudge(**{"format": Pointwise(), **options})


def test_a_run_file_names_the_scaling() -> None:
    described = {
        "judge": {
            "format": "pairwise-verdict",
            "engine": "scripted",
            "scaling": {"name": "vote", "n": 32, "early_stop": True},
            "sampling": {"temperature": 0.6},
        }
    }
    read = build_run(described)
    assert read.judge.scaling == Vote(n=32, early_stop=True)
    assert 'name = "vote"' in dump_run(read)
    assert Run(judge=JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted())).judge.scaling


def test_a_scaling_nobody_offers_is_named() -> None:
    described = {"format": "pairwise-verdict", "engine": "scripted", "scaling": "votes"}
    with pytest.raises(ConfigError, match="no scaling is called 'votes'; did you mean 'vote'"):
        build_run({"judge": described})


def test_a_task_with_half_a_surrogate_pair_has_seeds_too() -> None:
    task = JudgmentTask.from_pair("2+2?", "4", "5", id="\ud83d")
    engine = Scripted(script=lambda conversation, sampling: PairwiseVerdict().write(A))
    (result,) = judge(Vote(n=2), engine).judge([task])
    assert [judgment.ok for judgment in result.judgments] == [True, True]
