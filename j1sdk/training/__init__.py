"""What trains a judge from a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from j1sdk.component import Component

if TYPE_CHECKING:
    from j1sdk.config import Run

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


class Trainer(Component):
    """What trains a judge. `train` leaves a directory that `JudgeRewardModel.load` opens."""

    kind: ClassVar[str] = "trainers"

    def check(self, run: Run) -> None:
        """Raise ConfigError for what cannot work, before anything is loaded."""

    @abstractmethod
    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Train, and write `out`/judge; returns a record of what was done.

        With `resume`, goes on from the last checkpoint in `out`.
        """
