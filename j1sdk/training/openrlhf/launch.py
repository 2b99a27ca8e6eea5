"""Running OpenRLHF: one process group, watched, ended whole, and its log read back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from j1sdk.errors import MissingExtraError, TrainingError

Watch = Callable[[], None]
LOOK_SECONDS, END_SECONDS, LAST_LINES = 5.0, 30.0, 15
NAMES = {
    "train/reward": "reward",
    "train/response_length": "completions/mean_length",
    "train/policy_loss": "loss",
    "train/entropy_loss": "entropy",
}
"""What our reports call what OpenRLHF logs."""
TERM = "train/j1/reward/"
COLOUR = re.compile(r"\x1b\[[\d;]*m")
FORWARDED = re.compile(r"\(\w+ pid=")
"""How a line of the log begins that is a worker's and not the driver's."""


def launch(command: Sequence[str], log: Path, watch: Watch) -> None:
    """Run to the end, calling `watch` now and then; raises TrainingError with its last words.

    Ray, vLLM and DeepSpeed outlive a driver that dies: all of them are ended with it, however this
    ends. SIGTERM ends it as an interrupt does.
    """
    with log.open("a", encoding="utf-8") as file, interruptible():
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            while (status := _wait(process)) is None:
                watch()
        finally:
            end_group(process)
    if status:
        raise TrainingError(
            f"OpenRLHF ended with exit code {status}; the end of {log}:\n{last_words(log)}"
        )


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM raise KeyboardInterrupt, also where a shell has had them ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def last_words(log: Path) -> str:
    """What the driver wrote last, which names the cause; its workers talk on for a while."""
    lines = COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace")).splitlines()
    own = [line for line in lines if line.strip() and not FORWARDED.match(line)]
    return "\n".join((own or lines)[-LAST_LINES:])


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all it has started; killed if they do not go by themselves."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def saved_step(checkpoints: Path) -> int:
    """The step that the newest checkpoint was made at; 0 without one."""
    latest = checkpoints / "_actor" / "latest"
    return int(re.sub(r"\D", "", latest.read_text())) if latest.is_file() else 0


def history(tensorboard: Path) -> list[dict[str, Any]]:
    """OpenRLHF's log, an entry per step, by the names of ours; a resumed run's parts together."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as error:
        raise MissingExtraError("tensorboard", "openrlhf") from error
    steps: dict[int, dict[str, Any]] = defaultdict(dict)
    for folder in sorted({file.parent for file in tensorboard.rglob("events.out.*")}):
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
        for tag in events.Tags()["scalars"]:
            for point in events.Scalars(tag):
                steps[point.step][named(tag)] = point.value
    return [{"step": step, **steps[step]} for step in sorted(steps)]


def named(tag: str) -> str:
    """Our name of what OpenRLHF logs."""
    if tag.startswith(TERM):
        return f"rewards/{tag.removeprefix(TERM)}/mean"
    return NAMES.get(tag, tag.removeprefix("train/"))
