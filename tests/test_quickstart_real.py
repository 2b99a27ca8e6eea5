"""The quickstart on language runs from end to end, here with a model that says nothing readable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from j1sdk_quickstart.command import quickstart
from j1sdk_quickstart.real import ALL, ARMS, RealQuickstart, RealSizes
from j1sdk_quickstart.word_problems import KINDS, WordProblems
from word_problems import made_up

from j1sdk import ConfigError, JudgeRewardModel
from j1sdk.training import Progress

pytestmark = pytest.mark.slow
BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "real_quickstart.py"


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up(tmp_path_factory.mktemp("problems") / "train.jsonl")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, problems: Path) -> Path:
    """A run that was interrupted, and gone on with by the command."""
    folder = tmp_path_factory.mktemp("real") / "out"

    def announce(title: str) -> Progress:
        if title.startswith("Control: the same"):
            raise KeyboardInterrupt
        return lambda done, total: None

    journey = RealQuickstart(folder, 0, RealSizes.small(), str(tiny_model), problems)
    with pytest.raises(KeyboardInterrupt):
        journey.run(announce)
    words = ["--real", "--small", "--model", str(tiny_model), "--problems", str(problems)]
    done = CliRunner().invoke(quickstart, [*words, "--resume", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    assert "then GRPO" in done.output and "minutes on two idle cores" in done.output
    return folder


def test_every_judge_is_measured_on_each_kind_of_pairs(out: Path) -> None:
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["judge"]) == set(ARMS)
    for found in metrics["judge"].values():
        assert set(found) == {ALL, *KINDS}
        assert found[ALL]["n"] == 4 and found[ALL]["invalid_rate"] == 1.0
    assert metrics["shared_words"]["last-step"] == 0.5
    assert set(metrics["seconds"]) == {name for name, _ in RealQuickstart.stages}


def test_the_trained_judge_and_a_report_are_left(out: Path) -> None:
    judge = JudgeRewardModel.load(out / "judge")
    assert judge.engine.local and judge.engine.local.context == 2048
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "right in both orders" in page and "control: GRPO by lots" in page


def test_what_an_interrupted_stage_took_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control trains for as long as GRPO did, which may have been interrupted."""
    clock = iter([0.0, 100.0, 200.0, 230.0])
    monkeypatch.setattr("j1sdk_quickstart.staged.time.monotonic", lambda: next(clock))
    tries = iter([KeyboardInterrupt(), None])

    class Once(RealQuickstart):
        stages = (("labels", "Train"),)

        def work(self, stage: str, progress: Progress) -> str:
            if (interrupt := next(tries)) is not None:
                raise interrupt
            return "learnt"

    journey = Once(tmp_path, 0, RealSizes.small(), "none")
    with pytest.raises(KeyboardInterrupt):
        journey.run_stages(journey.stages, lambda title: lambda done, total: None)
    journey.run_stages(journey.stages, lambda title: lambda done, total: None)
    assert journey.read("labels") == {"result": "learnt", "seconds": 130.0}


def test_both_rewards_see_the_same_pairs(problems: Path) -> None:
    gold, lots = (WordProblems(path=problems, seed=2, tossed=one).load() for one in (False, True))
    assert [one.prompt for one in gold] == [one.prompt for one in lots]


def test_a_run_with_another_model_is_not_gone_on_with(out: Path, problems: Path) -> None:
    other = RealQuickstart(out, 0, RealSizes.small(), "another/model", problems)
    with pytest.raises(ConfigError, match="something else"):
        other.run(lambda title: lambda done, total: None, resume=True)


def test_its_options_are_refused_without_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(quickstart, ["--model", "x", "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, ConfigError) and "--real" in str(done.exception)


def test_runs_are_put_side_by_side(out: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARK), str(out), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "real_quickstart.json").read_text(encoding="utf-8"))
    assert len(figures["rows"]) == len(ARMS) * 3
    assert {row["unreadable"] for row in figures["rows"]} == {1.0}
    assert (tmp_path / "real_quickstart.svg").exists()
