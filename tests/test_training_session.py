"""A signal in the middle of training: nothing is lost, and it is not swallowed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_training import QUIET, untrained, write_pairs

PROGRAM = """
import os, signal, sys
from pathlib import Path
from tiny_training import described, train

def stop(step, steps):
    if step == {at}:
        os.kill(os.getpid(), signal.SIGTERM)

folder = Path(sys.argv[1])
run = described(folder / "model", folder / "pairs.jsonl", {train})
train(run, folder / "out", progress=stop)
print("it went on")
"""


@pytest.mark.parametrize("at", [2, 3], ids=["in the middle", "at the last step"])
def test_a_sigterm_saves_a_checkpoint_and_ends_the_process(tmp_path: Path, at: int) -> None:
    untrained(tmp_path / "model")
    write_pairs(tmp_path / "pairs.jsonl", 8)
    settings = QUIET | {"name": "sft", "steps": 3, "batch_size": 2, "learning_rate": 1e-3}
    program = f"import sys; sys.path = {sys.path!r}\n" + PROGRAM.format(at=at, train=settings)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGTERM and "it went on" not in done.stdout, done.stderr
    assert f"stopped at step {at} of 3" in done.stderr and "add --resume" in done.stderr
    assert (tmp_path / "out" / "checkpoints" / f"checkpoint-{at}").is_dir()
    assert (tmp_path / "out" / "log.json").is_file()
