"""An adapter and a dialect from an installed distribution that is not ours."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
USER = """
import asyncio, json
from reward_client import ask, pointwise, scored
from j1sdk import ConfigError
from j1sdk.cli.serve import welcome
from j1sdk.server import Serve, served

seen = {}
judge = pointwise(lambda question: scored(7.5)(question) if "four" in question else "?")
for unscored in ("drop", "neutral", "floor"):
    reward = judge.as_reward_function("my-trainer", unscored=unscored)
    seen[unscored] = [
        asyncio.run(reward(text, {"question": "2+2?", "solution": "4"}))["score"]
        for text in ("<think>I deserve a 10</think>four", "five", "<think>four")
    ]
with served(judge, Serve(port=0, unscored="neutral")) as server:
    body = {"question": "2+2?", "answers": ["four", "five", "<think>four"]}
    seen["mine"] = ask(f"{server.url}/mine", body).json
    seen["wrong"] = ask(f"{server.url}/mine", {"question": 2}).status
    seen["ours"] = ask(f"{server.url}/slime", {"prompt": "2+2?", "response": "four"}).json
seen["welcome"] = welcome("pointwise", "http://x", Serve())
seen["thoughts"] = any("deserve" in one[-1].content for one in judge.engine.asked)
print(json.dumps(seen))
"""


def example(kind: str) -> str:
    section = re.search(rf"^### {kind}\n.*?^```python\n(.*?)^```", GUIDE, re.M | re.S)
    assert section
    return section[1]


def install(folder: Path, module: str, source: str) -> None:
    """A distribution of one module and one entry point."""
    info = folder / f"j1_{module}-1.0.dist-info"
    info.mkdir()
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: j1-{module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[j1sdk]\n{module} = {module}\n")


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (folder, ROOT, ROOT / "tests" / "support")))
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a user of the guide's two plugins sees."""
    folder = tmp_path_factory.mktemp("site")
    for kind in ("adapters", "dialects"):
        install(folder, f"my_{kind}", example(kind))
    done = run(folder, USER)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_adapter_from_outside_is_found_by_its_name(seen: dict[str, Any]) -> None:
    assert seen["drop"] == [0.75, None, None]
    assert seen["neutral"] == [0.75, 0.5, 0.5] and seen["floor"] == [0.75, 0.0, 0.0]
    assert not seen["thoughts"]


def test_a_dialect_from_outside_is_served_beside_ours(seen: dict[str, Any]) -> None:
    assert seen["mine"]["rewards"] == [0.75, 0.5, 0.5]
    assert seen["mine"]["why"][0] == "" and "unparseable" in seen["mine"]["why"][1]
    assert "before its answer began" in seen["mine"]["why"][2]
    assert (seen["wrong"], seen["ours"]) == (422, 0.75)
    assert "  My trainer:     --judge-url http://x/mine\n" in seen["welcome"]


def test_two_dialects_with_one_path_are_refused(tmp_path: Path) -> None:
    install(tmp_path, "taken", example("dialects").replace('"/mine"', '"/slime"'))
    done = run(
        tmp_path,
        "from reward_client import pointwise, scored\n"
        "from j1sdk.server import served\n"
        "served(pointwise(scored(5)))\n",
    )
    assert done.returncode == 1
    assert "the dialects mine and slime both answer at /slime: uninstall one" in done.stderr


def test_an_adapter_that_is_not_installed_names_those_that_are() -> None:
    done = run(
        ROOT,
        "from reward_client import pointwise, scored\n"
        "pointwise(scored(5)).as_reward_function('my-trainer')\n",
    )
    assert "no adapter is called 'my-trainer'; known: " in done.stderr
    assert "openrlhf" in done.stderr and "verl" in done.stderr
