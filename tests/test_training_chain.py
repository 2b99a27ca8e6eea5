"""Phases in one run file: each starts from the judge the last one left, and none is done twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from j1sdk_family.rejection import RejectionSft
from j1sdk_quickstart.tasks import Arithmetic
from tiny_training import (
    QUIET,
    SPEAKS,
    described,
    logged,
    moved,
    some,
    train,
    untrained,
    write_pairs,
)

from j1sdk.cli import j1
from j1sdk.cli.train import as_trainer
from j1sdk.data.jsonl import JsonLines
from j1sdk.engines.transformers import Transformers
from j1sdk.errors import ConfigError, DataError
from j1sdk.judge import JudgeRewardModel
from j1sdk.report.training import training_report
from j1sdk.run import Run, build_run, dump_run, open_run, read_run
from j1sdk.training import Interrupted, Progress
from j1sdk.training.chain import Chain, with_model
from j1sdk.training.trl import Grpo, Sft
from j1sdk.training.trl_dpo import Dpo

ON_POLICY = {"name": "on-policy-dpo", "samples": 4, "steps": 3, "batch_size": 4}
GRPO = {"name": "grpo", "steps": 1, "tasks_per_step": 2, "rollouts": 4, "learning_rate": 1e-3}
TITLES = ["1-sft", "2-on-policy-dpo", "3-grpo"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs.jsonl")


@pytest.fixture(scope="module")
def run(base: Path, pairs: Path) -> Run:
    return described(base, pairs, phases(pairs))


def phases(pairs: Path) -> list[dict[str, Any]]:
    own = QUIET | ON_POLICY | some(pairs) | {"learning_rate": 1e-3, "reject_unread": True}
    return [SPEAKS, own, QUIET | GRPO]


@pytest.fixture(scope="module")
def whole(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain that nothing interrupts."""
    out = tmp_path_factory.mktemp("whole")
    train(run, out)
    return out


class Told:
    """A progress with titles, which calls a function at each step."""

    def __init__(
        self, step: Callable[[str, int], None], title: str = "", titles: list[str] | None = None
    ) -> None:
        self.titles = [] if titles is None else titles
        self._step, self._title = step, title

    def __call__(self, done: int, total: int) -> None:
        self._step(self._title, done)

    def begin(self, title: str) -> Progress:
        self.titles.append(title)
        return Told(self._step, title, self.titles)


def test_each_phase_starts_from_the_judge_before_it(whole: Path, base: Path) -> None:
    judges = [base, *(whole / title / "judge" for title in TITLES)]
    for before, after in pairwise(judges):
        assert moved(before, after)
    asked = open_run(whole / "2-on-policy-dpo" / "samples" / "run.toml").judge.engine
    assert isinstance(asked, Transformers) and asked.model == str(whole / "1-sft" / "judge")


def test_the_last_judge_is_the_runs_and_records_all_phases(whole: Path, run: Run) -> None:
    assert not moved(whole / TITLES[-1] / "judge", whole / "judge")
    recorded = open_run(whole / "judge")
    assert recorded.train == run.train and recorded.data == run.data
    assert isinstance(open_run(whole / TITLES[-1] / "judge").train, Grpo)
    judged = JudgeRewardModel.load(whole / "judge").judge(Arithmetic(limit=1).load())
    assert len(judged[0].judgments) == 2


def test_the_log_and_the_report_have_a_part_for_each_phase(whole: Path, run: Run) -> None:
    history = json.loads((whole / "log.json").read_text(encoding="utf-8"))
    assert list(dict.fromkeys(entry["phase"] for entry in history)) == TITLES
    dpo = [entry for entry in history if entry["phase"] == TITLES[1]]
    assert dpo[0]["data/presentations"] == 16 and dpo[0]["data/examples"] > 0
    assert len(logged(dpo, "rewards/margins")) == 3
    report = training_report(run, history)
    assert "(sft, on-policy-dpo, grpo)" in report.title
    titles = [block.title for block in report.blocks]
    assert {"1-sft: Loss", "2-on-policy-dpo: What was learnt from", "3-grpo: Reward"} <= set(titles)
    assert [int(title[0]) for title in titles] == sorted(int(title[0]) for title in titles)


def test_an_interrupted_chain_goes_on_in_the_middle_of_its_phase(
    run: Run, whole: Path, tmp_path: Path
) -> None:
    def stop(title: str, step: int) -> None:
        if (title, step) == (TITLES[1], 1):
            os.kill(os.getpid(), signal.SIGINT)

    shutil.copytree(whole / "1-sft", tmp_path / "1-sft")  # as an earlier interrupt leaves it
    first = Told(stop)
    with pytest.raises(Interrupted, match=r"stopped in 2-on-policy-dpo at step 1 of 3.*--resume"):
        train(run, tmp_path, resume=True, progress=first)
    assert first.titles == ["2-on-policy-dpo", "samples"]
    assert not (tmp_path / "judge").exists()
    done = [tmp_path / "1-sft/judge/j1.toml", tmp_path / "2-on-policy-dpo/samples/judgments.jsonl"]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in done]

    steps: list[tuple[str, int]] = []
    history = train(run, tmp_path, resume=True, progress=Told(lambda *told: steps.append(told)))
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in done] == before
    assert steps == [(TITLES[1], 2), (TITLES[1], 3), (TITLES[2], 1)]
    assert not moved(whole / "judge", tmp_path / "judge")
    assert history[0]["phase"] == "1-sft", "the log of what was done before is there too"


def test_a_finished_chain_has_nothing_left_to_do(run: Run, whole: Path) -> None:
    told = Told(lambda *_: pytest.fail("nothing is to be trained"))
    history = train(run, whole, resume=True, progress=told)
    assert told.titles == [] and history == json.loads((whole / "log.json").read_text())


def test_a_phase_trained_with_other_options_is_not_taken_for_this_one(
    base: Path, pairs: Path, whole: Path
) -> None:
    changed = [SPEAKS | {"learning_rate": 5e-3}, *phases(pairs)[1:]]
    with pytest.raises(ConfigError, match="1-sft was trained with other options"):
        train(described(base, pairs, changed), whole, resume=True)


NOWHERE = Path("/nowhere/at/all")  # so that whatever is refused is refused before it is loaded


@pytest.mark.parametrize(
    ("last", "judge", "match"),
    [
        ({"name": "grpo", "rewards": ["score-ordering"]}, {}, "phase 2-grpo: score-ordering needs"),
        ({"name": "dpo"}, {"engine": "scripted"}, "phase 1-sft: sft trains a model"),
    ],
)
def test_what_a_later_phase_cannot_do_is_refused_before_the_first(
    last: dict[str, Any], judge: dict[str, Any], match: str, pairs: Path, tmp_path: Path
) -> None:
    run = described(NOWHERE, pairs, [{"name": "sft"}, last], **judge)
    with pytest.raises(ConfigError, match=match):
        train(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_later_phases_absent_data_are_missed_at_the_start(pairs: Path, tmp_path: Path) -> None:
    data = {"name": "jsonl", "path": str(tmp_path / "absent.jsonl")}
    run = described(NOWHERE, pairs, [{"name": "sft"}, {"name": "dpo", "data": data}])
    with pytest.raises(DataError, match=r"cannot read .*absent.jsonl"):
        train(run, tmp_path / "out")


def test_what_leaves_no_judge_is_no_phase(pairs: Path, tmp_path: Path) -> None:
    class Elsewhere(Sft):
        leaves = "somewhere-else"

    run = described(NOWHERE, pairs, [{"name": "sft"}])
    run = run.model_copy(update={"train": Chain(phases=(Elsewhere(), Sft()))})
    with pytest.raises(ConfigError, match="phase 1-sft: it leaves no judge for the next"):
        train(run, tmp_path / "out")


def test_phases_are_an_array_of_tables(pairs: Path, tmp_path: Path) -> None:
    text = (
        '[judge]\nformat = "pairwise-verdict"\nengine = { name = "transformers", model = "m/m" }\n'
        '[data]\nname = "arithmetic"\n'
        '[[train]]\nname = "sft"\ndata = { name = "jsonl", path = "pairs.jsonl" }\n'
        '[[train]]\nname = "dpo"\nnll = 1.0\n'
    )
    (tmp_path / "run.toml").write_text(text)
    run = read_run(tmp_path / "run.toml")
    own = JsonLines(path=tmp_path / "pairs.jsonl")
    assert run.train == Chain(phases=(Sft(data=own), Dpo(nll=1.0)))
    assert build_run(tomllib.loads(dump_run(run))) == run
    assert Run(judge=run.judge, train=[Sft(data=own), Dpo(nll=1.0)]).train == run.train
    sft, dpo = run.train.parts
    assert sft.source(run) == own and dpo.source(run) == Arithmetic()


def test_an_error_in_a_phase_is_named_by_its_place(tmp_path: Path) -> None:
    text = '[judge]\nformat = "pairwise-verdict"\nengine = "scripted"\n'
    (tmp_path / "run.toml").write_text(text + '[[train]]\nname = "sft"\n[[train]]\nname = "dbo"\n')
    with pytest.raises(ConfigError, match=r"train.phases.1: no trainer is called 'dbo'.*'dpo'"):
        read_run(tmp_path / "run.toml")


def test_chains_in_chains_and_rounds_are_one_chain() -> None:
    data = Arithmetic(seed=1)
    inner = Chain(phases=(Sft(), Dpo(data=Arithmetic(seed=2))), data=data)
    chain = Chain(phases=(inner, RejectionSft(rounds=2)))
    assert [part.name for part in chain.parts] == ["sft", "dpo", "rejection-sft", "rejection-sft"]
    assert [part.data for part in chain.parts] == [data, Arithmetic(seed=2), None, None]


def test_the_phases_of_a_run_can_be_asked_for(run: Run, tmp_path: Path) -> None:
    assert isinstance(run.train, Chain)
    phases = list(run.train.in_turn(run, tmp_path))
    assert [(phase.title, phase.out) for phase in phases] == [
        (title, tmp_path / title) for title in TITLES
    ]
    models = [getattr(phase.run.judge.engine, "model", None) for phase in phases]
    assert models[1:] == [str(tmp_path / title / "judge") for title in TITLES[:-1]]
    assert [phase.run.train for phase in phases] == [phase.trainer for phase in phases]


def test_an_engine_with_other_weights_has_not_loaded_the_old_ones(base: Path) -> None:
    engine = Transformers(model=str(base), dtype="float32", context=99)
    assert engine.reserved
    other = with_model(engine, base / "elsewhere")
    assert other == Transformers(model=str(base / "elsewhere"), dtype="float32", context=99)
    with pytest.raises(ConfigError, match="no model directory at"):
        assert other.reserved


def test_the_command_line_trains_a_chain(base: Path, pairs: Path, tmp_path: Path) -> None:
    short = [QUIET | {"name": name, "steps": 1, "batch_size": 2} for name in ("sft", "dpo")]
    (tmp_path / "run.toml").write_text(dump_run(described(base, pairs, short)))
    words = ["train", str(tmp_path / "run.toml"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(j1, words, catch_exceptions=False)
    assert done.exit_code == 0 and f"Judge: {tmp_path / 'out' / 'judge'}" in done.output
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "1-sft: Loss" in page and "2-dpo: Preferences" in page


def test_no_other_trainer_takes_a_chains_place(run: Run) -> None:
    assert run.train is not None
    with pytest.raises(ConfigError, match="the run has several: sft, on-policy-dpo, grpo"):
        as_trainer(run.train, "openrlhf")
