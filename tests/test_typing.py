"""Type checkers without pydantic's plugin take what a user writes, and refuse what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).parent / "typing" / "user_script.py"
WRONG = """
from j1sdk import JudgmentTask, Pointwise, Sampling

Sampling(temperature="hot")
Pointwise(hihg=5)
JudgmentTask(prompt="q", responses=[1, 2])
"""
pytestmark = pytest.mark.slow  # both read all of pydantic


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.py"
    path.write_text(WRONG)
    return path


def lines_with_errors(shown: str, path: Path) -> set[int]:
    """The lines of a file that mypy complains about."""
    told = (line.split(":") for line in shown.splitlines() if line.startswith(f"{path.name}:"))
    return {int(number) for _, number, *_ in told}


def test_mypy_strict_without_the_plugin(wrong: Path, tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text(
        f"[mypy]\nstrict = true\nfollow_imports = silent\nmypy_path = {ROOT}\n"
        "[mypy-torch.*,transformers.*,trl.*,datasets.*]\nfollow_imports = skip\n"
        "ignore_missing_imports = true\n"
    )
    words = ["--config-file", str(config), "--cache-dir", str(tmp_path), str(SCRIPT), str(wrong)]
    shown = subprocess.run(
        [sys.executable, "-m", "mypy", *words], capture_output=True, text=True, cwd=tmp_path
    ).stdout
    assert lines_with_errors(shown, wrong) == {4, 5, 6}, shown
    assert "Found 4 errors in 1 file" in shown, shown  # a list of two wrong items counts twice


@pytest.mark.skipif(find_spec("basedpyright") is None, reason="needs pip install basedpyright")
def test_pyright_standard(wrong: Path, tmp_path: Path) -> None:
    config = tmp_path / "pyrightconfig.json"
    files = [str(SCRIPT), str(wrong)]
    settings = {"typeCheckingMode": "standard", "include": files, "extraPaths": [str(ROOT)]}
    config.write_text(json.dumps(settings))
    shown = subprocess.run(
        [sys.executable, "-m", "basedpyright", "-p", str(config), "--outputjson",
         "--pythonpath", sys.executable],
        capture_output=True, text=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    problems = json.loads(shown)["generalDiagnostics"]
    found = {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in problems}
    assert found == {("wrong.py", 4), ("wrong.py", 5), ("wrong.py", 6)}, problems
