"""What trainers have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from j1sdk_openrlhf.trainer import OpenRLHF
from j1sdk_quickstart.tasks import Arithmetic

from j1sdk.engines.scripted import Scripted
from j1sdk.errors import ConfigError
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.judge import JudgeRewardModel
from j1sdk.run import Run
from j1sdk.training import Interrupted, Progress, begin
from j1sdk.training.trl import Sft


@pytest.mark.parametrize(
    ("step", "told"),
    [(3, "stopped at step 3 of 10; runs has a checkpoint: add --resume"),
     (0, "stopped at step 0 of 10; there is no checkpoint yet")],
)  # fmt: skip
def test_an_interrupted_run_says_whether_it_can_go_on(step: int, told: str) -> None:
    assert str(Interrupted(step, 10, Path("runs"))) == told


def test_an_interrupt_among_phases_names_the_one_and_the_folder_of_all() -> None:
    told = str(Interrupted(3, 10, Path("runs"), "2-dpo"))
    assert told == "stopped in 2-dpo at step 3 of 10; runs has a checkpoint: add --resume"
    told = str(Interrupted(0, 10, Path("runs"), "2-dpo"))
    assert told == "stopped in 2-dpo at step 0 of 10; runs has what came before: add --resume"


def test_a_trainers_own_data_go_before_the_runs() -> None:
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted())
    run, own = Run(judge=judge, data=Arithmetic(seed=1)), Arithmetic(seed=2)
    assert Sft().source(run) == run.data and Sft(data=own).source(run) == own
    assert OpenRLHF(data=own).source(Run(judge=judge)) == own
    with pytest.raises(ConfigError, match=r"the run has no \[data\]"):
        Sft().source(Run(judge=judge))


def test_work_with_parts_tells_them_apart_only_where_titles_can_be_shown() -> None:
    told: list[str] = []

    class Titles:
        def __call__(self, done: int, total: int) -> None:
            told.append(f"{done}/{total}")

        def begin(self, title: str) -> Progress:
            told.append(title)
            return self

    def plain(done: int, total: int) -> None:
        told.append("plain")

    for progress in (begin(Titles(), "sampling"), begin(plain, "sampling")):
        assert progress is not None
        progress(1, 2)
    assert told == ["sampling", "1/2", "plain"] and begin(None, "sampling") is None


def test_a_trainers_options_name_nothing_of_this_machine() -> None:
    assert OpenRLHF().model_dump()["python"] is None
