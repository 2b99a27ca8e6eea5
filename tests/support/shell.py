"""j1 as it is typed, in this process and in one of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from j1sdk.cli import j1
from j1sdk.errors import J1Error

J1 = str(Path(sys.executable).with_name("j1"))


def invoke(*words: object) -> Result:
    return CliRunner().invoke(j1, [str(word) for word in words])


def refusal(*words: object) -> str:
    """What a command that cannot work says."""
    result = invoke(*words)
    assert isinstance(result.exception, J1Error), result.output
    return str(result.exception)


def spawn(*words: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it; `path` holds plugins."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"}
    if path:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        [J1, *map(str, words)], capture_output=True, text=True, env=environment, check=False
    )


def install(folder: Path, source: str, name: str = "j1-extra") -> Path:
    """A distribution with one module and one entry point; says what to put on the path."""
    module = name.replace("-", "_")
    info = folder / f"{module}-1.2.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[j1sdk]\nextra = {module}\n", encoding="utf-8")
    return folder


def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For a fixture: commands quieten libraries for good; the next test wants them as they were."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")
    loggers = [
        logging.getLogger(name) for name in ("transformers", "trl", "accelerate", "datasets")
    ]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
