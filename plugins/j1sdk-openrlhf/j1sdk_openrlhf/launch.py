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
from j1sdk_openrlhf.agent import SHARE, TERM

Watch = Callable[[], None]
LOOK_SECONDS, END_SECONDS, LAST_LINES = 5.0, 30.0, 15
SMALLEST = 1e-6
"""A share of the rows of a step; less is rounding."""
NAMES = {
    "train/reward": "reward",
    "train/response_length": "completions/mean_length",
    "train/policy_loss": "loss",
    "train/entropy_loss": "entropy",
    "train/loss_mean": "loss",
    "train/loss": "loss/micro",
    "train/gpt_loss": "loss/micro",
    "train/acc_mean": "accuracy",
    "train/acc": "accuracy/micro",
}
"""What our reports call what OpenRLHF logs; `micro` is of a step's last rows alone."""
COLOUR = re.compile(r"\x1b\[[\d;]*m")
NO_REWARD = "Failed to fetch reward from remote RM:"
FORWARDED = re.compile(r"\(\w+ pid=")
"""How a line of the log begins that is a worker's and not the driver's."""
ENDING = re.compile(r"\[launch\.py:")
"""A line of the log that is DeepSpeed's launcher's, below what its processes said."""


def launch(command: Sequence[str], log: Path, watch: Watch) -> None:
    """Run to the end, calling `watch` now and then; raises TrainingError with its last words.

    Ray, vLLM and DeepSpeed outlive a driver that dies: all of them are ended with it, however this
    ends. SIGTERM ends it as an interrupt does.
    """
    with log.open("a", encoding="utf-8") as file, interruptible():
        begun = file.tell()
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
            + missing_reward(log, begun)
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


def missing_reward(log: Path, begun: int) -> str:
    """Why a sample had no reward, where that is what ended it: the driver does not say.

    `begun` is where the log of this start begins, in bytes.
    """
    lines = lines_of(log, begun)
    told = [line.partition(NO_REWARD)[2].strip() for line in lines if NO_REWARD in line]
    return f"\na sample had no reward: {told[-1]}" if told else ""


def lines_of(log: Path, begun: int = 0) -> list[str]:
    """The lines of a log, without colours."""
    return COLOUR.sub("", log.read_bytes()[begun:].decode(errors="replace")).splitlines()


def last_words(log: Path) -> str:
    """What the driver wrote last, which names the cause; its workers talk on for a while."""
    lines = lines_of(log)
    told = [line for line in lines if line.strip() and not ENDING.search(line)]
    own = [line for line in told if not FORWARDED.match(line)]
    return "\n".join((own or told)[-LAST_LINES:])


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
    names = (checkpoints / "_actor" / "latest", checkpoints / "latest")  # GRPO's, and the others'
    latest = next((name for name in names if name.is_file()), None)
    return int(re.sub(r"\D", "", latest.read_text())) if latest else 0


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
    return [{"step": step, **by_format(steps[step])} for step in sorted(steps)]


def named(tag: str) -> str:
    """Our name of what OpenRLHF logs."""
    own = tag.removeprefix("train/")
    if own.startswith(TERM):
        return f"rewards/{own.removeprefix(TERM)}/mean"
    return NAMES.get(tag, own)


def by_format(entry: dict[str, Any]) -> dict[str, Any]:
    """A step with means over the rows of each format, where OpenRLHF has them over all rows.

    That is where formats share a batch: a row logs 0 for what other formats' rows log.
    """
    titles = [key.removeprefix(SHARE) for key in entry if key.startswith(SHARE)]
    shares = {title: entry[SHARE + title] for title in titles}
    own, whole = 1 - sum(shares.values()), {}
    for key, value in entry.items():
        kind, *rest = key.split("/")
        share = shares.get(rest[0], own) if kind in ("rewards", "judge") else 1.0
        if share > SMALLEST:
            whole[key] = value / share
    return whole
