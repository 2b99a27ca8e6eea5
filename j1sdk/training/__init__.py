"""What trains a judge from a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from j1sdk.component import Component
from j1sdk.errors import J1Error

if TYPE_CHECKING:
    from j1sdk.config import Run

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


class Interrupted(J1Error):
    """Training was stopped on request; `step` is that of the checkpoint, 0 for none."""

    exit_code = 130

    def __init__(self, step: int, steps: int, out: Path) -> None:
        kept = f"{out} has a checkpoint: add --resume" if step else "there is no checkpoint yet"
        super().__init__(f"stopped at step {step} of {steps}; {kept}")


class Trainer(Component):
    """What trains a judge. `train` leaves a directory that `JudgeRewardModel.load` opens."""

    kind: ClassVar[str] = "trainers"

    def check(self, run: Run) -> None:
        """Raise ConfigError for what cannot work, before anything is loaded."""

    @abstractmethod
    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        """Train, write `out`/judge, and return the trainer's log, oldest entry first.

        With `resume`, go on from the last checkpoint in `out`. Raises Interrupted.
        """
