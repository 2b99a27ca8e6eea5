"""Several formats in one model: what each reward grades, and a run of the real TRL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from j1sdk_openrlhf.launch import by_format
from pydantic import PrivateAttr
from tiny_recipes import engine, fluent

from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.pairwise_scores import PairwiseScores
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.formats.pointwise import Pointwise
from j1sdk.judge import JudgeRewardModel
from j1sdk.rewards import RewardStrategy
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.rewards.score_ordering import ScoreOrdering
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run, build_run
from j1sdk.testing import example_tasks, oracle
from j1sdk.training.multitask import Part, functions_of, lay_out, parts_of
from j1sdk.training.trl import Grpo
from j1sdk.types import Completion, Judgment, JudgmentTask

BOTH = [VerdictCorrectness(), ScoreOrdering()]


def pairwise(**options: Any) -> JudgeRewardModel:
    return JudgeRewardModel(format=PairwiseScores(), engine=oracle(PairwiseScores(), ()), **options)


def test_each_reward_grades_the_formats_it_can() -> None:
    rewards = [*BOTH, FormatAdherence(weight=0.2)]
    own, other = parts_of(pairwise(), [Pointwise()], rewards)
    assert (own.judge.format, own.title) == (PairwiseScores(), "")
    assert (other.judge.format, other.title) == (Pointwise(), "pointwise")
    assert [reward.name for reward in own.rewards] == ["verdict-correctness", "format-adherence"]
    assert [reward.name for reward in other.rewards] == ["score-ordering", "format-adherence"]


def test_one_format_alone_is_one_part() -> None:
    (part,) = parts_of(pairwise(), [], [VerdictCorrectness()])
    assert part == Part(pairwise().model_copy(update={"engine": part.judge.engine}), part.rewards)


@pytest.mark.parametrize(
    ("judge", "formats", "rewards", "complaint"),
    [
        (pairwise(), [], [ScoreOrdering()], "score-ordering needs a pointwise format"),
        (pairwise(), [Pointwise()], [VerdictCorrectness()], "no reward grades pointwise"),
        (pairwise(), [Pointwise()], [ScoreOrdering()], "no reward grades pairwise-scores"),
        (pairwise(), [PairwiseVerdict()], BOTH, "score-ordering grades none of the formats"),
        (
            pairwise(orders="first"), [Pointwise()], [VerdictConsistency(), ScoreOrdering()],
            'set orders = "both"',
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_graded_is_refused(
    judge: JudgeRewardModel, formats: list[JudgmentFormat], rewards: list[Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        parts_of(judge, formats, rewards)


def test_every_task_is_laid_out_in_every_format() -> None:
    parts = parts_of(pairwise(), [Pointwise()], BOTH)
    laid = lay_out(parts, example_tasks()[:2])
    assert [(place, one.order) for place, one in laid[:4]] == [
        (0, (0, 1)), (0, (1, 0)), (1, (0,)), (1, (1,)),
    ]  # fmt: skip
    assert [one.task.id for _, one in laid] == [
        task.id for task in example_tasks()[:2] for _ in range(4)
    ]


def test_formats_that_show_a_task_unequally_often_are_refused() -> None:
    parts = parts_of(pairwise(orders="first"), [Pointwise()], BOTH)
    with pytest.raises(ConfigError, match="must show a task equally often"):
        lay_out(parts, example_tasks())


def test_a_reward_function_leaves_the_rows_of_other_formats_alone() -> None:
    parts = parts_of(pairwise(), [Pointwise()], BOTH)
    (task,) = example_tasks()[:1]
    laid = lay_out(parts, [task])
    texts = [
        PairwiseScores().write((9.0, 1.0)), PairwiseScores().write((9.0, 1.0)),
        Pointwise().write((7.0,)), Pointwise().write((3.0,)),
    ]  # fmt: skip
    logged: dict[str, float] = {}
    correct, ordering = functions_of(parts, laid, 2, lambda ids: Completion(text=texts[ids[0]]))
    columns: dict[str, Any] = {
        "completion_ids": [[3], [0], [1], [2]], "row": [3, 0, 1, 2], "visit": [1, 0, 0, 1],
        "log_metric": logged.__setitem__,
    }  # fmt: skip
    assert correct(**columns) == [None, 1.0, 0.0, None]
    assert ordering(**columns) == [1.0, None, None, 1.0]
    assert correct.__name__ == "verdict_correctness"
    assert ordering.__name__ == "pointwise_score_ordering"
    assert logged["judge/accuracy"] == 0.5 and logged["judge/pointwise/accuracy"] == 1.0
    assert "judge/pointwise/status/ok" in logged


def test_a_batch_of_one_format_only_is_nothing_to_the_other() -> None:
    parts = parts_of(pairwise(), [Pointwise()], BOTH)
    laid = lay_out(parts, example_tasks()[:1])
    _, ordering = functions_of(parts, laid, 2, lambda ids: Completion(text="?"))
    assert ordering(completion_ids=[[0], [0]], row=[0, 1], visit=[0, 0]) == [None, None]


class Recording(RewardStrategy):
    """Pays for right scores in either format, and remembers what it was given."""

    name = "recording"
    scope = "task"
    _seen: list[tuple[str, str, Counter[tuple[int, ...]]]] = PrivateAttr(default_factory=list)

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        self._seen.append((task.id, format.name, Counter(one.order for one in judgments)))
        return [float(one.ok and sum(one.scores or ()) > 9) for one in judgments]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that writes in both formats."""
    return fluent([PairwiseScores(), Pointwise()], tmp_path_factory.mktemp("model"), steps=40)


def described(model: Path, **train: Any) -> Run:
    options = {"steps": 2, "tasks_per_step": 3, "rollouts": 4, "learning_rate": 1e-3,
               "logging_steps": 1, "report_to": [], "multitask": ["pointwise"]}  # fmt: skip
    return build_run(
        {
            "judge": {"format": "pairwise-scores", "engine": engine(model),
                      "sampling": {"max_new_tokens": 60}},
            "data": {"name": "arithmetic", "held_out": False, "limit": 6},
            "train": {"name": "grpo", **options, **train},
        }
    )  # fmt: skip


def test_every_batch_holds_every_task_in_both_formats(model: Path, tmp_path: Path) -> None:
    run, reward = described(model), Recording()
    assert isinstance(run.train, Grpo)
    trainer = run.train.model_copy(update={"rewards": (reward,)})
    trainer.train(run.model_copy(update={"train": trainer}), tmp_path / "out")
    assert {name: dict(orders) for _, name, orders in reward._seen} == {
        "pairwise-scores": {(0, 1): 4, (1, 0): 4}, "pointwise": {(0,): 4, (1,): 4},
    }  # fmt: skip
    seen = Counter((task, name) for task, name, _ in reward._seen)
    assert len(seen) == 12 and set(seen.values()) == {1}, "two steps of three are one epoch"


def test_the_log_keeps_the_formats_apart_and_the_judge_opens_in_either(
    model: Path, tmp_path: Path
) -> None:
    run = described(model, rewards=["verdict-correctness", "score-ordering"])
    assert run.train is not None
    history = run.train.train(run, tmp_path / "out")
    logged = {key for entry in history for key in entry}
    assert {
        "rewards/verdict_correctness/mean", "rewards/pointwise_score_ordering/mean",
        "judge/invalid_rate", "judge/pointwise/invalid_rate",
    } <= logged  # fmt: skip
    steps = [entry for entry in history if "reward" in entry]
    means = ("rewards/verdict_correctness/mean", "rewards/pointwise_score_ordering/mean")
    for entry in steps:
        assert entry["reward"] == pytest.approx(sum(entry[name] for name in means) / 2, abs=1e-6)
    task = example_tasks()[0]
    for form in (PairwiseScores(), Pointwise()):
        judge = JudgeRewardModel.load(tmp_path / "out" / "judge", format=form)
        assert judge.judge([task])[0].judgments
    assert JudgeRewardModel.load(tmp_path / "out" / "judge").format == PairwiseScores()


def test_openrlhfs_means_over_all_rows_become_those_of_each_format() -> None:
    """Of eight rows, two are pointwise ones; those right half of the time, the others always."""
    logged = {
        "reward": 0.9, "j1/share/pointwise": 0.25, "judge/accuracy": 0.75,
        "judge/pointwise/accuracy": 0.125, "rewards/verdict-correctness/mean": 0.375,
        "rewards/pointwise/score-ordering/mean": 0.25,
    }  # fmt: skip
    assert by_format(logged) == {
        "reward": 0.9, "j1/share/pointwise": 0.25, "judge/accuracy": 1.0,
        "judge/pointwise/accuracy": 0.5, "rewards/verdict-correctness/mean": 0.5,
        "rewards/pointwise/score-ordering/mean": 1.0,
    }  # fmt: skip
    alone = {"judge/accuracy": 0.5, "rewards/verdict-correctness/mean": 0.5}
    assert by_format(alone) == alone
    none = by_format(logged | {"j1/share/pointwise": 0.0})
    assert "judge/pointwise/accuracy" not in none and none["judge/accuracy"] == 0.75
    every = by_format(logged | {"j1/share/pointwise": 1.0})
    assert "judge/accuracy" not in every and every["judge/pointwise/accuracy"] == 0.125


def test_a_run_that_cannot_be_graded_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    run = described(tmp_path / "nowhere", rewards=["verdict-correctness"])
    assert run.train is not None
    with pytest.raises(ConfigError, match="no reward grades pointwise"):
        run.train.check(run)
