"""What trains a judge from a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from j1sdk.component import Component
from j1sdk.data import Source
from j1sdk.errors import ConfigError, J1Error

if TYPE_CHECKING:
    from j1sdk.run import Run

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@runtime_checkable
class Titled(Protocol):
    """A progress that can tell parts of the work apart."""

    def begin(self, title: str) -> Progress:
        """What is told of the part that begins now."""


def begin(progress: Progress | None, title: str) -> Progress | None:
    """The progress of a part of the work, under its title where titles can be shown."""
    return progress.begin(title) if isinstance(progress, Titled) else progress


class Interrupted(J1Error):
    """Training was stopped on request; `step` is that of the checkpoint, 0 for none."""

    exit_code = 130

    def __init__(self, step: int, steps: int, out: Path, phase: str = "") -> None:
        self.step, self.steps = step, steps
        where = f" in {phase}" if phase else ""
        kept = f"{out} has a checkpoint: add --resume" if step else "there is no checkpoint yet"
        if phase and not step:
            kept = f"{out} has what came before: add --resume"
        super().__init__(f"stopped{where} at step {step} of {steps}; {kept}")


class Trainer(Component):
    """What trains from a run file: a judge, unless it says otherwise."""

    kind: ClassVar[str] = "trainers"
    leaves: ClassVar[str] = "judge"
    """The folder in `out` that holds what was trained."""
    data: Source | None = None
    """What to train on, instead of the run's [data]."""

    @property
    def parts(self) -> tuple[Trainer, ...]:
        """The trainers that run one after the other: itself, unless it is made of several."""
        return (self,)

    def source(self, run: Run) -> Source:
        """What to train on; raises ConfigError where nothing is given."""
        if (source := self.data or run.data) is None:
            raise ConfigError("nothing to train on: the run has no [data]")
        return source

    def check(self, run: Run) -> None:
        """Raise ConfigError for what cannot work, before anything is loaded."""

    @abstractmethod
    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        """Train, write what it `leaves`, and return the trainer's log, oldest entry first.

        A judge's folder is one that `JudgeRewardModel.load` opens. With `resume`, go on from the
        last checkpoint in `out`. Raises Interrupted.
        """
