"""The consistency experiment: its data, its arithmetic, and a run in small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from j1sdk_quickstart.tasks import Arithmetic
from safetensors.torch import load_file

from j1sdk import (
    JudgeResult,
    JudgeRewardModel,
    Judgment,
    JudgmentStatus,
    JudgmentTask,
    PairwiseVerdict,
    Transformers,
)
from j1sdk.data.jsonl import JsonLines
from j1sdk.judge import result_of

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TASK = JudgmentTask.from_pair("07+04", "011", "012", id="one")


@pytest.fixture
def consistency(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return __import__("consistency")


def judged(*winners: int) -> JudgeResult:
    """What is preferred in each order, (0,1) first."""
    judgments = [
        Judgment(
            task_id=TASK.id, order=order, status=JudgmentStatus.OK,
            scores=(1.0, 0.0) if order[0] == winner else (0.0, 1.0),
        )
        for order, winner in zip(((0, 1), (1, 0)), winners, strict=True)
    ]  # fmt: skip
    return result_of(TASK, judgments)


RIGHT, FIRST, WRONG = judged(0, 0), judged(0, 1), judged(1, 1)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_position_tells_nothing_and_a_label_only_where_it_should(
    labelled: bool, consistency: Any, tmp_path: Path
) -> None:
    path = tmp_path / "pairs.jsonl"
    consistency.write_pairs(path, 600, 0, labelled)
    plain = Arithmetic(seed=1000, limit=600, held_out=False).load()
    seen: Counter[tuple[int, bool]] = Counter()
    for task, known in zip(JsonLines(path=path).load(), plain, strict=True):
        assert task.id == known.id and task.prompt == known.prompt
        assert sorted(task.responses) == sorted(known.responses)
        right = task.responses.index(known.responses[0])
        seen[right, task.preferred == right] += 1
    truly, falsely = ([seen[place, true] for place in (0, 1)] for true in (True, False))
    assert min(truly) > 0.2 * 600 / (1 if labelled else 2)
    assert falsely == [0, 0] if labelled else min(falsely) > 100


def test_every_arm_has_as_many_rollouts_in_a_step(consistency: Any, tmp_path: Path) -> None:
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Transformers(model="none"))
    ladder = consistency.Ladder(tmp_path, consistency.Setting(), announce=None)
    rollouts, pairs = set(), {}
    for name, arm in consistency.ARMS.items():
        run = ladder.training(judge, arm, 0, tmp_path / name)
        shown = len(run.judge.presentations(TASK))
        rollouts.add(shown * run.train.tasks_per_step * run.train.rollouts)
        pairs[name] = len(run.data.load())
        run.train.check(run)
    assert rollouts == {256}
    assert pairs["single order"] == 2 * pairs["both orders"] == 2 * pairs["consistency reward"]


def test_rates_are_of_each_seed_and_of_all(consistency: Any) -> None:
    found = {"arm": {0: {5: [RIGHT, FIRST]}, 1: {5: [FIRST, WRONG]}}}
    rows = list(consistency.table(found))
    assert [(row["seed"], row["pairs"]) for row in rows] == [("all", 4), ("0", 2), ("1", 2)]
    assert [row["consistent"] for row in rows] == [0.25, 0.5, 0.0]
    assert [row["flips"] for row in rows] == [0.5, 0.5, 0.5]
    assert [row["right first"] for row in rows] == [0.75, 1.0, 0.5]
    assert [row["right second"] for row in rows] == [0.25, 0.5, 0.0]
    low, high = map(float, rows[0]["flips, 95%"].split(" to "))
    assert 0 < low < 0.5 < high < 1


def test_an_interval_is_that_of_starts_unless_that_of_pairs_is_wider(consistency: Any) -> None:
    apart = {0: {5: [RIGHT] * 50}, 1: {5: [RIGHT] * 10 + [FIRST] * 40}, 2: {5: [RIGHT] * 30}}
    key = "position_consistent_accuracy"
    found, alone = consistency.rate(apart, 5, key), consistency.rate({1: apart[1]}, 5, key)
    assert (found.low, found.high) == (0.0, 1.0) and 0.1 < alone.low < 0.2 < alone.high < 0.4
    alike = {seed: {5: [RIGHT] * 9 + [FIRST]} for seed in range(3)}
    found = consistency.rate(alike, 5, key)
    assert found.low < 0.9 < found.high


def test_a_rung_is_compared_with_the_one_below_it(consistency: Any) -> None:
    every = {"single order": FIRST, "both orders": RIGHT, "consistency reward": RIGHT}
    every |= {consistency.CONTROL: FIRST}
    found = {name: {seed: {5: [one]} for seed in range(3)} for name, one in every.items()}
    said = consistency.climbs(found, [5])
    assert said["flips, both orders less single order, step 5"].startswith("-1.000")
    assert said["consistent, both orders less single order, step 5"].startswith("+1.000")
    assert said["flips, consistency reward less both orders, step 5"].startswith("+0.000")
    above_control = f"consistent, both orders less {consistency.CONTROL}, step 5"
    assert said[above_control].startswith("+1.000")


def test_a_spread_is_students(consistency: Any) -> None:
    assert consistency.spread([0.1, 0.2, 0.3]).startswith("+0.200, 95% -0.048 to +0.448")
    assert consistency.spread([0.1]) == "+0.100"


def run_quickly(out: Path) -> dict[str, Any]:
    command = [sys.executable, str(BENCHMARKS / "consistency.py"), "--quick"]
    command += ["--out", str(out), "--work", str(out / "work")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((out / "consistency.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("quick")
    run_quickly(out)
    return out


def test_it_runs_and_does_nothing_twice(consistency: Any, quick: Path) -> None:
    rows = json.loads((quick / "consistency.json").read_text(encoding="utf-8"))["rows"]
    arms = dict.fromkeys(row["arm"] for row in rows)
    assert list(arms) == [consistency.START, *consistency.ARMS]
    assert {row["pairs"] for row in rows} == {10}
    assert (quick / "consistency.svg").read_text(encoding="utf-8").count("<svg") == 1
    made = {path: path.stat().st_mtime_ns for path in quick.glob("work/**/judged.json")}
    assert len(made) == len(arms)
    lost = next(path for path in made if "both-orders" in path.parts)
    lost.unlink()
    assert run_quickly(quick)["rows"] == rows
    assert lost.exists()
    assert all(path.stat().st_mtime_ns == when for path, when in made.items() if path != lost)


def test_each_step_is_judged_with_its_own_weights(consistency: Any, quick: Path) -> None:
    work = quick / "work" / "quick"
    start = JudgeRewardModel.load(work / "judges" / "0" / "stages" / "warm_start" / "judge")
    start.judge([TASK])  # its weights are loaded now
    ladder = consistency.Ladder(work, consistency.QUICK, lambda title: lambda done, total: None)
    folder = work / "both-orders" / "0"
    for step, judge in ladder.judges(start, "both orders", 0, folder):
        judge.engine.save(quick / f"saved-{step}")
        trained = weights_of(folder / "checkpoints" / f"checkpoint-{step}")
        used = weights_of(quick / f"saved-{step}")
        assert all(tensor.equal(used[name]) for name, tensor in trained.items())
    assert step == 2


def weights_of(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "model.safetensors"))
