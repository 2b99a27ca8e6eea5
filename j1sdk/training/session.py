"""Running a Hugging Face trainer: progress, an interrupt that saves, and going on from it."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from accelerate import PartialState
from transformers import (
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers import Trainer as HuggingFaceTrainer
from transformers.trainer_utils import get_last_checkpoint

from j1sdk.errors import ConfigError
from j1sdk.files import write_text
from j1sdk.run import Noting
from j1sdk.training import Interrupted, Progress

logger = logging.getLogger(__name__)
CHECKPOINTS = "checkpoints"
LOG_FILE = "log.json"
Item = TypeVar("Item")


class Watcher(TrainerCallback):  # type: ignore[misc]
    """Reports progress, writes the log as it grows; after a signal saves a checkpoint and stops."""

    def __init__(
        self, progress: Progress | None, log: Path, begun: Sequence[dict[str, Any]] = ()
    ) -> None:
        """`begun` are the log's first entries."""
        self._progress, self._log, self.begun = progress, log, begun
        self.signal: int | None = None
        """The signal that asked to stop."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero:
            self.write(state.log_history)
            if isinstance(self._progress, Noting):
                self._progress.note(state.global_step, state.max_steps, logs or {})

    def write(self, history: Sequence[dict[str, Any]]) -> None:
        """Write the log so far."""
        write_text(self._log, json.dumps([*self.begun, *history], indent=1))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self._progress:
            self._progress(state.global_step, state.max_steps)
        if self.signal is not None:
            control.should_save = control.should_training_stop = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM asks for a checkpoint; a second one ends at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def ask(number: int, frame: FrameType | None) -> None:
            self.signal = number
            signal.signal(number, before[signal.Signals(number)])

        for number in before:
            signal.signal(number, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def fit(
    trainer: HuggingFaceTrainer,
    out: Path,
    resume: bool,
    progress: Progress | None,
    taken: Mapping[str, int] = {},
) -> list[dict[str, Any]]:
    """Train, and write `out`/log.json as it grows; returns it. Raises Interrupted after a SIGINT.

    A SIGTERM ends the process, as it is meant to, but not before there is a checkpoint.
    The log begins with what was `taken` from the data, if there is something to be said.
    """
    told = {f"data/{name}": count for name, count in taken.items()}
    watcher = Watcher(progress, out / LOG_FILE, [{"step": 0, **told}] if told else [])
    trainer.remove_callback(PrinterCallback)  # log.json has it all
    trainer.add_callback(watcher)
    with watcher.listening():
        trainer.train(resume_from_checkpoint=last_checkpoint(out) if resume else None)
    history = [*watcher.begun, *trainer.state.log_history]
    if trainer.is_world_process_zero():
        watcher.write(trainer.state.log_history)
    stopped = Interrupted(trainer.state.global_step, trainer.state.max_steps, out)
    if watcher.signal == signal.SIGTERM:
        logger.warning("%s", stopped)
        signal.raise_signal(signal.SIGTERM)
    if watcher.signal is not None and stopped.step < stopped.steps:
        raise stopped
    return history


def last_checkpoint(out: Path) -> str | None:
    """The newest checkpoint, or None to start at the beginning."""
    folder = out / CHECKPOINTS
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None


def claim(out: Path, resume: bool) -> None:
    """Make the folder a run writes to; raises ConfigError where it would overwrite another."""
    if not PartialState().is_main_process:
        return  # the main process may already be writing
    if not resume and out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty: give --resume to go on, or another --out")
    out.mkdir(parents=True, exist_ok=True)


def is_main_process() -> bool:
    """Whether this process is the one that writes files."""
    return bool(PartialState().is_main_process)


def share(items: Sequence[Item]) -> tuple[Sequence[Item], str]:
    """This process's share, and a name for it: empty for a process that is alone."""
    state = PartialState()
    alone = state.num_processes == 1
    name = "" if alone else f"process-{state.process_index}"
    return items[state.process_index :: state.num_processes], name


def all_processes() -> None:
    """Wait for all processes to come here."""
    PartialState().wait_for_everyone()
