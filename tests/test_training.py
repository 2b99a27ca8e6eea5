"""What trainers have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from j1sdk.training import Interrupted
from j1sdk.training.openrlhf.trainer import OpenRLHF


@pytest.mark.parametrize(
    ("step", "told"),
    [(3, "stopped at step 3 of 10; runs has a checkpoint: add --resume"),
     (0, "stopped at step 0 of 10; there is no checkpoint yet")],
)  # fmt: skip
def test_an_interrupted_run_says_whether_it_can_go_on(step: int, told: str) -> None:
    assert str(Interrupted(step, 10, Path("runs"))) == told


def test_a_trainers_options_name_nothing_of_this_machine() -> None:
    assert OpenRLHF().model_dump()["python"] is None
