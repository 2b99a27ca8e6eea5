"""`j1 judge` in a process of its own, with an engine that counts, to be killed at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import j1sdk
from j1sdk import JudgmentTask

J1 = str(Path(sys.executable).with_name("j1"))
AT_ONCE = 4
PLUGIN = f'''
import asyncio, json
from pathlib import Path

from pydantic import PrivateAttr

from j1sdk import Completion, Engine, EngineError, PairwiseVerdict, hookimpl


class Counting(Engine):
    """Works at a few questions at a time; each that it begins with is a line in a file."""

    name = "counting"
    incidental = frozenset({{"path"}})
    path: Path
    seconds: float = 0.02
    _desk: asyncio.Semaphore = PrivateAttr(default_factory=lambda: asyncio.Semaphore({AT_ONCE}))

    async def complete(self, conversation, sampling):
        text = conversation[-1].content
        down = self.path.with_name("down")
        if down.exists() and down.read_text() in text:
            raise EngineError("nobody is at home")
        async with self._desk:
            with self.path.open("a") as file:
                file.write(json.dumps(text) + "\\n")
            await asyncio.sleep(self.seconds)
        right_first = text.index("right") < text.index("wrong")
        return Completion(text=PairwiseVerdict().write((1.0, 0.0) if right_first else (0.0, 1.0)))


@hookimpl
def engines():
    return [Counting]
'''
COUNTING = '{{ name = "counting", path = "{name}.asked", seconds = {seconds} }}'
CACHED = '{{ name = "cached", path = "{name}.sqlite", engine = ' + COUNTING + " }}"
RUN = '[judge]\nformat = "pairwise-verdict"\nengine = {engine}\n'


def make_home(folder: Path, tasks: int) -> None:
    """Write a plugin, its distribution and the data."""
    (folder / "counting_plugin.py").write_text(PLUGIN, encoding="utf-8")
    info = folder / "j1_counting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: j1-counting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[j1sdk]\ncounting = counting_plugin\n")
    pairs = [
        JudgmentTask.from_pair(f"Question {n}?", f"right {n}", f"wrong {n}", id=f"pair-{n}")
        for n in range(tasks)
    ]
    text = "".join(f"{task.model_dump_json()}\n" for task in pairs)
    (folder / "pairs.jsonl").write_text(text, encoding="utf-8")


def start(
    home: Path, name: str, out: str | None = None, cached: bool = True, seconds: float = 0.02
) -> subprocess.Popen[str]:
    """`j1 judge` with a run file, maybe a cache, a count and an output folder of that name."""
    engine = (CACHED if cached else COUNTING).format(name=name, seconds=seconds)
    (home / f"{name}.toml").write_text(RUN.format(engine=engine), encoding="utf-8")
    path = os.pathsep.join([str(home), str(Path(j1sdk.__file__).parents[1])])
    return subprocess.Popen(
        [J1, "judge", f"{name}.toml", "--data", "pairs.jsonl", "--out", out or name],
        cwd=home, env={**os.environ, "PYTHONPATH": path}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for it, and see that it went well."""
    errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors


def asked(home: Path, name: str) -> list[str]:
    """What the engine was asked so far."""
    path = home / f"{name}.asked"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def kill_at(process: subprocess.Popen[str], home: Path, name: str, count: int) -> None:
    """`kill -9` once so many questions were asked."""
    with process:
        while len(asked(home, name)) < count:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL
