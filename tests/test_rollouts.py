from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import pytest

from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.pairwise_scores import PairwiseScores
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.formats.pointwise import Pointwise
from j1sdk.rewards import RewardStrategy
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.rewards.score_ordering import ScoreOrdering
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.training.layout import shuffled
from j1sdk.training.rollouts import Grader, Rollout, reward_functions
from j1sdk.types import Completion, JudgmentStatus, JudgmentTask, Presentation, presentations

TASK = JudgmentTask.from_pair("2+2?", chosen="4", rejected="5", id="four")
OTHER = JudgmentTask.from_pair("3+3?", chosen="6", rejected="7", id="six")
FIRST, SECOND, TIE = (9.0, 1.0), (1.0, 9.0), (5.0, 5.0)
GOLD_FIRST, GOLD_SECOND = (0, 1), (1, 0)


def wrote(scores: tuple[float, ...], format: JudgmentFormat | None = None) -> Completion:
    return Completion(text=(format or PairwiseScores()).write(scores), completion_tokens=7)


def rollout(
    visit: int, order: tuple[int, ...], said: Completion | tuple[float, ...],
    task: JudgmentTask = TASK,
) -> Rollout:  # fmt: skip
    completion = said if isinstance(said, Completion) else wrote(said)
    return Rollout(visit, Presentation(task=task, order=order), completion)


def graded(
    reward: RewardStrategy, rollouts: Sequence[Rollout], per_visit: int,
    format: JudgmentFormat | None = None,
) -> list[float]:  # fmt: skip
    grader = Grader(format or PairwiseScores(), [reward], per_visit)
    return grader.grade(reward, rollouts, grader.read(rollouts))


CONSISTENT = VerdictConsistency(right=2.0, wrong=-1.0, tied=0.5, unparseable=-3.0)
BATCH = [
    (rollout(0, GOLD_FIRST, FIRST), 2.0),
    (rollout(0, GOLD_SECOND, SECOND), 2.0),
    (rollout(1, GOLD_FIRST, FIRST, OTHER), -1.0),  # its mate in the other order is wrong
    (rollout(1, GOLD_SECOND, FIRST, OTHER), -1.0),
    (rollout(2, GOLD_FIRST, TIE), 0.5),
    (rollout(2, GOLD_SECOND, SECOND), -1.0),
]


@pytest.mark.parametrize("seed", range(5))
def test_orders_find_each_other_wherever_they_stand_in_the_batch(seed: int) -> None:
    mixed = random.Random(seed).sample(BATCH, len(BATCH))
    rewards = graded(CONSISTENT, [one for one, _ in mixed], per_visit=2)
    assert rewards == [expected for _, expected in mixed]


def test_rollouts_pair_up_in_the_order_they_come() -> None:
    rollouts = [
        rollout(0, GOLD_FIRST, FIRST), rollout(0, GOLD_FIRST, FIRST),
        rollout(0, GOLD_SECOND, SECOND), rollout(0, GOLD_SECOND, FIRST),
    ]  # fmt: skip
    assert graded(CONSISTENT, rollouts, per_visit=4) == [2.0, -1.0, 2.0, -1.0]
    every = CONSISTENT.model_copy(update={"pairing": "all"})
    assert graded(every, rollouts, per_visit=4) == [0.5, 0.5, 2.0, -1.0]


def test_a_task_visited_twice_in_one_batch_is_two_tasks() -> None:
    rollouts = [
        rollout(7, GOLD_FIRST, FIRST), rollout(8, GOLD_FIRST, FIRST),
        rollout(8, GOLD_SECOND, FIRST), rollout(7, GOLD_SECOND, SECOND),
    ]  # fmt: skip
    assert graded(CONSISTENT, rollouts, per_visit=2) == [2.0, -1.0, -1.0, 2.0]
    assert Grader(PairwiseScores(), [CONSISTENT], 2).visits(rollouts) == [[0, 3], [1, 2]]


@pytest.mark.parametrize("reward", [CONSISTENT, VerdictCorrectness()])
def test_half_a_task_is_refused(reward: RewardStrategy) -> None:
    half = [*(one for one, _ in BATCH), rollout(3, GOLD_FIRST, FIRST)]
    with pytest.raises(ConfigError, match=r"holds 1 of a task's 2 rollouts.*whole tasks"):
        graded(reward, half, per_visit=2)


def test_more_than_a_task_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"holds 3 of a task's 2 rollouts"):
        graded(CONSISTENT, [rollout(0, GOLD_FIRST, FIRST)] * 3, per_visit=2)


def test_pointwise_scores_are_compared_across_the_responses_of_a_task() -> None:
    format = Pointwise()
    said = [(0, 8.0), (1, 3.0), (1, 9.0), (0, 5.0)]
    rollouts = [
        rollout(place // 2, (response,), wrote((score,), format))
        for place, (response, score) in enumerate(said)
    ]
    assert graded(ScoreOrdering(), rollouts, 2, format) == [1.0, 1.0, 0.0, 0.0]


FAILURES = {
    JudgmentStatus.UNPARSEABLE: Completion(text="I would rather not say"),
    JudgmentStatus.TRUNCATED: Completion(text="<think>\nwell,", finish_reason="length"),
    JudgmentStatus.OUT_OF_RANGE: Completion(
        text=PairwiseScores().write(FIRST).replace(">9<", ">99<")
    ),
}


@pytest.mark.parametrize("status", FAILURES)
def test_a_failure_has_its_status_and_its_declared_value(status: JudgmentStatus) -> None:
    rollouts = [rollout(0, GOLD_FIRST, FAILURES[status]), rollout(0, GOLD_SECOND, SECOND)]
    judgments = Grader(PairwiseScores(), [], 2).read(rollouts)
    assert [one.status for one in judgments] == [status, JudgmentStatus.OK]
    assert judgments[0].scores is None
    correct = VerdictCorrectness(unparseable=-3.0)
    assert graded(correct, rollouts, per_visit=2) == [-3.0, 1.0]
    assert graded(CONSISTENT, rollouts, per_visit=2) == [-3.0, -1.0]


def test_statistics_of_a_batch_are_those_of_its_tasks() -> None:
    rollouts = [
        rollout(0, GOLD_FIRST, FIRST), rollout(0, GOLD_SECOND, SECOND),
        rollout(1, GOLD_FIRST, FIRST), rollout(1, GOLD_SECOND, FIRST),
        rollout(2, GOLD_FIRST, TIE), rollout(2, GOLD_SECOND, TIE),
        rollout(3, GOLD_FIRST, FAILURES[JudgmentStatus.TRUNCATED]),
        rollout(3, GOLD_SECOND, FAILURES[JudgmentStatus.OUT_OF_RANGE]),
    ]  # fmt: skip
    grader = Grader(PairwiseScores(), [CONSISTENT], 2)
    assert grader.statistics(rollouts, grader.read(rollouts)) == {
        "judge/accuracy": 3 / 8,
        "judge/position_consistent_accuracy": 1 / 4,
        "judge/verdict_flip_rate": 1 / 4,
        "judge/tie_rate": 2 / 8,
        "judge/invalid_rate": 2 / 8,
        "judge/status/ok": 6 / 8,
        "judge/status/unparseable": 0.0,
        "judge/status/truncated": 1 / 8,
        "judge/status/out_of_range": 1 / 8,
        "judge/status/engine_error": 0.0,
    }


def test_statistics_keep_the_rollouts_of_a_task_apart() -> None:
    """Averaged, these four would be right in both orders; each by itself is not."""
    rollouts = [
        rollout(0, GOLD_FIRST, (10.0, 0.0)), rollout(0, GOLD_FIRST, (4.0, 5.0)),
        rollout(0, GOLD_SECOND, (5.0, 4.0)), rollout(0, GOLD_SECOND, (0.0, 10.0)),
    ]  # fmt: skip
    grader = Grader(PairwiseScores(), [CONSISTENT], 4)
    logged = grader.statistics(rollouts, grader.read(rollouts))
    assert logged["judge/accuracy"] == 0.5
    assert logged["judge/verdict_flip_rate"] == 1.0


def test_a_pointwise_batch_has_no_flips_to_log() -> None:
    format = Pointwise()
    rollouts = [rollout(0, (place,), wrote((5.0,), format)) for place in (0, 1)]
    grader = Grader(format, [ScoreOrdering()], 2)
    logged = grader.statistics(rollouts, grader.read(rollouts))
    assert logged["judge/tie_rate"] == 1.0
    assert "judge/verdict_flip_rate" not in logged


def decode(texts: Sequence[str], ids: Sequence[int]) -> Completion:
    return Completion(text=texts[ids[0]])


def test_each_reward_is_a_function_of_its_own() -> None:
    format = PairwiseVerdict()
    texts = [format.write(scores) for scores in ((1.0, 0.0), (0.0, 1.0))]
    rewards = [VerdictCorrectness(), VerdictConsistency(), FormatAdherence()]
    shown = [one for task in (TASK, OTHER) for one in presentations(task, 2)]
    functions = reward_functions(Grader(format, rewards, 2), shown, partial(decode, texts))
    names = [function.__name__ for function in functions]
    assert names == ["verdict_correctness", "verdict_consistency", "format_adherence"]
    batch = {"completion_ids": [[0], [1], [0], [0]], "row": [2, 3, 0, 1], "visit": [1, 1, 0, 0]}
    results = [function(**batch, prompts=[], completions=[]) for function in functions]
    assert results == [[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0] * 4]


def test_a_batch_is_logged_once_however_many_rewards_there_are() -> None:
    format = PairwiseVerdict()
    grader = Grader(format, [VerdictCorrectness(), VerdictConsistency()], 2)
    texts = [format.write((1.0, 0.0))]
    functions = reward_functions(grader, presentations(TASK, 2), partial(decode, texts))
    logged: list[tuple[str, float]] = []
    for function in functions:
        function(
            completion_ids=[[0], [0]], row=[0, 1], visit=[0, 0],
            log_metric=lambda name, value: logged.append((name, value)),
        )  # fmt: skip
    assert len(logged) == len(dict(logged))
    assert dict(logged)["judge/verdict_flip_rate"] == 1.0


def test_every_pass_over_the_tasks_has_another_order() -> None:
    tasks = [JudgmentTask.from_pair(str(n), "a", "b", id=str(n)) for n in range(6)]
    drawn = [[task.id for task, _ in zip(shuffled(tasks, seed), range(12), strict=False)]
             for seed in (1, 1, 2)]  # fmt: skip
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0][:6]) == set(drawn[0][6:]) == {task.id for task in tasks}
    assert drawn[0][:6] != drawn[0][6:]
