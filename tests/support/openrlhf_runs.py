"""Runs `j1 train` on the real OpenRLHF, on the CPU, and leaves no process behind.

`tests/stack/shim` stands in for what a GPU would do, and for nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from j1sdk_openrlhf.cluster import Cluster
from j1sdk_openrlhf.trainer import OpenRLHF
from j1sdk_quickstart.tasks import Arithmetic

from j1sdk import JudgeRewardModel, PairwiseVerdict, Sampling, Transformers
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.run import Run, dump_run

SHIM = Path(__file__).parents[1] / "stack" / "shim"
SURROUNDINGS = {
    "PYTHONPATH": str(SHIM),
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # DeepSpeed looks for ninja
    "DS_ACCELERATOR": "cpu",
    "HF_DATASETS_OFFLINE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_enable_worker_prestart": "0",  # eight idle processes, and the seconds they take to start
    "RAY_prestart_worker_first_driver": "0",
}
"""Beside `VLLM_ON_CPU`."""
VLLM_ON_CPU = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}
"""Read when vLLM is imported, here and in its processes."""
MARK = "RAY_TMPDIR"
"""Set apart for each run, and so a mark on all of its processes; short, as sockets want it."""


STEPS, TASKS, ROLLOUTS = 8, 8, 4


def run_of(model: Path, steps: int = STEPS, **options: Any) -> Run:
    """A judge's training, whose rewards refuse a group with more rollouts of one order.

    `options` are the trainer's.
    """
    judge = JudgeRewardModel(
        format=PairwiseVerdict(),
        engine=Transformers(model=str(model), device="cpu"),
        sampling=Sampling(max_new_tokens=24),
    )
    train = OpenRLHF(
        learning_rate=1e-3, tasks_per_step=TASKS, rollouts=ROLLOUTS,
        rewards=(VerdictConsistency(), FormatAdherence()),
        cluster=Cluster(gpus_per_node=1, gpu_memory=0.1, tokens_per_gpu=2048),
        options={"vllm.enforce_eager": True, "actor.lr_warmup_ratio": 0},
    ).model_copy(update=options)  # fmt: skip
    data = Arithmetic(limit=train.tasks_per_step * steps)
    return Run(judge=judge, data=data, train=train, seed=7)


class Command:
    """`j1 train`, as it runs."""

    def __init__(self, process: subprocess.Popen[str], out: Path, mark: str) -> None:
        self.process, self.out, self._mark = process, out, mark
        self.said = ""

    @property
    def history(self) -> list[dict[str, Any]]:
        logged: list[dict[str, Any]] = json.loads((self.out / "log.json").read_text())
        return logged

    def end(self, seconds: float = 400) -> int:
        """The exit status."""
        self.said = self.process.communicate(timeout=seconds)[0]
        return self.process.returncode

    def until(self, reached: Callable[[], bool], seconds: float = 300) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            assert self.process.poll() is None, "ended too soon"
            assert time.monotonic() < deadline, "not reached"
            time.sleep(0.2)

    def has_checkpoint(self) -> bool:
        return (self.out / "openrlhf" / "checkpoints" / "_actor" / "latest").is_file()

    def processes(self) -> list[psutil.Process]:
        """All that belong to the run."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found


@contextmanager
def started(run: Run, out: Path, *words: str, **surroundings: str) -> Iterator[Command]:
    """`j1 train` in surroundings of its own; nothing of it is left behind."""
    file = out.with_suffix(".toml")
    file.write_text(dump_run(run), encoding="utf-8")
    line = [str(Path(sys.executable).with_name("j1")), "train", str(file), "--out", str(out)]
    with tempfile.TemporaryDirectory(prefix="j1", ignore_cleanup_errors=True) as mark:
        around = {**os.environ, **SURROUNDINGS, MARK: mark, **surroundings}
        around.pop("RAY_ADDRESS", None)
        process = subprocess.Popen(
            [*line, *words], env=around, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        command = Command(process, out, mark)
        try:
            yield command
        finally:
            for left in command.processes():
                left.kill()


class Finished(NamedTuple):
    """A run that came to its end."""

    status: int
    said: str
    out: Path
    history: list[dict[str, Any]]
    left: list[psutil.Process]


def finish(command: Command, seconds: float = 1000) -> Finished:
    status = command.end(seconds)
    assert status == 0, command.said
    return Finished(status, command.said, command.out, command.history, command.processes())


def weights(folder: Path) -> dict[str, Any]:
    """What a model is made of; every number in it is one."""
    import torch
    from safetensors.torch import load_file

    found = dict(load_file(folder / "model.safetensors"))
    assert all(torch.isfinite(tensor).all() for tensor in found.values())
    return found


def moved(before: dict[str, Any], after: dict[str, Any]) -> int:
    """How many of the tensors that both have are not what they were."""
    return sum(not before[name].equal(after[name]) for name in before.keys() & after.keys())


def series(finished: Finished, name: str) -> list[float]:
    return [entry[name] for entry in finished.history]
