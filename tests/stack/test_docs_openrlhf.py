"""What the page on OpenRLHF shows is what the installed OpenRLHF takes."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from j1sdk.cli import j1
from j1sdk.config import build_run
from j1sdk.training.openrlhf.flags import version_of
from j1sdk.training.openrlhf.parsers import installed_version, parser_of
from j1sdk.training.openrlhf.trainer import PROGRAM, OpenRLHF

pytestmark = pytest.mark.stack

PAGE = (Path(__file__).parents[2] / "docs" / "openrlhf.md").read_text(encoding="utf-8")
TOML = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
COMMANDS = [
    shlex.split(line.split("#")[0]) for line in re.findall(r"^    (j1 .*)$", PAGE, re.M)
]  # fmt: skip


@pytest.fixture
def here(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's run file, of a model that is there, and its pairs."""
    text = TOML[0].replace("Qwen/Qwen3-8B", str(tiny_model)).replace("8192", "1024")
    (tmp_path / "judge.toml").write_text(text.replace("4096", "64"), encoding="utf-8")
    row = {"prompt": "2+2?", "chosen": "4", "rejected": "5"}
    (tmp_path / "pairs.jsonl").write_text(f"{json.dumps(row)}\n" * 128, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(*start: str) -> Result:
    """What the page's command of this beginning does."""
    (words,) = [command for command in COMMANDS if command[1 : 1 + len(start)] == list(start)]
    return CliRunner().invoke(j1, words[1:], catch_exceptions=False)


def test_the_check_passes(here: Path) -> None:
    output = " ".join(shown("openrlhf", "check").stdout.split())
    assert output == f"OpenRLHF {installed_version()} takes it: 2 steps"


def test_the_command_is_openrlhfs(here: Path) -> None:
    words = shlex.split(shown("openrlhf", "command").stdout)
    assert words[:3] == ["python", "-m", f"openrlhf.cli.{PROGRAM}"]
    parsed = vars(parser_of(PROGRAM).parse_args(words[3:]))
    assert parsed["rollout.n_samples_per_prompt"] == 8
    assert Path(parsed["train.agent_func_path"]).is_file()


def test_the_reward_file_is_written(here: Path) -> None:
    assert "--reward.remote_url" in shown("openrlhf", "reward").stdout
    assert len((here / "reward_func.py").read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_the_options_shown(command: list[str]) -> None:
    names = [word for word in command[1:3] if word.isidentifier()]
    told = CliRunner().invoke(j1, [*names, "--help"]).output
    assert all(word in told for word in command if word.startswith("--"))


def test_the_options_shown_exist() -> None:
    run = build_run(tomllib.loads(TOML[0] + TOML[1]))
    assert isinstance(run.train, OpenRLHF)
    known = {option for action in parser_of(PROGRAM)._actions for option in action.option_strings}
    assert {f"--{name}" for name in run.train.options} <= known


def test_the_version_is_one_the_page_knows() -> None:
    oldest, newest = re.findall(r"from (0\.\d+\.\d+)\s+to (0\.\d+\.\d+)", PAGE)[0]
    assert version_of(oldest) <= version_of(installed_version()) <= version_of(newest)
