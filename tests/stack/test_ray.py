"""A judge on a Ray cluster of two workers: as in one process, and through kills."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray_judge

from j1sdk.judging import judge_to_folder

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def undisturbed(stack_model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The judgments of a single process."""
    out = tmp_path_factory.mktemp("alone") / "out"
    judge_to_folder(ray_judge.judge_of(ray_judge.alone(str(stack_model))), ray_judge.TASKS, out)
    return (out / "judgments.jsonl").read_bytes()


def command(model: Path, out: Path, *words: str) -> list[str]:
    return [sys.executable, ray_judge.__file__, str(model), str(out), *words]


def completed(words: list[str]) -> list[int]:
    """What each worker completed."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    (told,) = re.findall(r"^completed: (.*)$", done.stdout, re.M)  # Ray prints too
    return [int(word) for word in told.split()]


def test_two_workers_judge_as_one_process_does(
    stack_model: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    counts = completed(command(stack_model, tmp_path / "out"))
    assert (tmp_path / "out" / "judgments.jsonl").read_bytes() == undisturbed
    assert len(counts) == 2 and min(counts) > 10 and sum(counts) == 120


def test_what_a_killed_worker_was_doing_is_done_again(
    stack_model: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    completed(command(stack_model, tmp_path / "out", "kill"))
    assert (tmp_path / "out" / "judgments.jsonl").read_bytes() == undisturbed


def test_a_killed_driver_goes_on_where_it_was(
    stack_model: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    words, written = command(stack_model, tmp_path / "out"), tmp_path / "out" / "judgments.jsonl"
    driver = subprocess.Popen(words, start_new_session=True)
    try:
        while driver.poll() is None and not (written.exists() and written.stat().st_size):
            time.sleep(0.02)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    there = written.read_bytes().count(b"\n")
    counts = completed(words)
    assert written.read_bytes() == undisturbed
    assert sum(counts) == 120 - there  # nothing that was written is judged twice
