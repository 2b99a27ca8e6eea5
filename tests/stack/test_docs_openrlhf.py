"""What the page on OpenRLHF shows is what the installed OpenRLHF takes."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from j1sdk_openrlhf.base import OpenRLHFTrainer
from j1sdk_openrlhf.flags import version_of
from j1sdk_openrlhf.parsers import installed_version, parser_of
from j1sdk_openrlhf.trainer import OpenRLHF

from j1sdk.catalogue import catalogue
from j1sdk.cli import j1
from j1sdk.run import build_run

pytestmark = pytest.mark.stack

PAGE = (Path(__file__).parents[2] / "docs" / "openrlhf.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
FILES = {block.split("\n")[0].removeprefix("# "): block for block in BLOCKS if block[0] == "#"}
PARTS = [tomllib.loads(block) for block in BLOCKS if block[0] != "#"]
COMMANDS = [
    shlex.split(line.split("#")[0]) for line in re.findall(r"^    (j1 .*)$", PAGE, re.M)
]  # fmt: skip
SMALLER = {"Qwen/Qwen3-8B": "{model}", "8192": "1024", "4096": "64"}


@pytest.fixture
def here(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's run files, of a model that is there, and their data."""
    for name, text in FILES.items():
        for large, small in SMALLER.items():
            text = text.replace(large, small.format(model=tiny_model))
        (tmp_path / name).write_text(text, encoding="utf-8")
    row = {"prompt": "2+2?", "chosen": "4", "rejected": "5"}
    (tmp_path / "pairs.jsonl").write_text(f"{json.dumps(row)}\n" * 128, encoding="utf-8")
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "2+2?"}\n' * 64, encoding="utf-8")
    (tmp_path / "train.sh").write_text(SCRIPT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


SCRIPT = """\
ray job submit -- python3 -m openrlhf.cli.train_ppo_ray \\
   --actor.num_nodes 4 --actor.max_norm 0.5
"""


def shown(*words: str) -> Result:
    """What the page's command of these words does."""
    (found,) = [one for one in COMMANDS if one[1 : 1 + len(words)] == list(words)]
    return CliRunner().invoke(j1, found[1:], catch_exceptions=False)


def added(folder: Path, part: dict[str, Any]) -> Result:
    """What the page's command line is with a part of the page added to its run file."""
    import tomli_w

    run = tomllib.loads((folder / "judge.toml").read_text(encoding="utf-8"))
    train = run["train"] | part["train"]
    cluster = run["train"]["cluster"] | part["train"].get("cluster", {})
    if "arguments" in part["train"]:
        cluster.pop("nodes")  # the file says
    described = run | {"train": train | {"cluster": cluster}}
    (folder / "judge.toml").write_text(tomli_w.dumps(described), encoding="utf-8")
    return shown("openrlhf", "command", "judge.toml")


@pytest.mark.parametrize(("file", "steps"), [("judge.toml", 2), ("policy.toml", 1)])
def test_the_check_passes(file: str, steps: int, here: Path) -> None:
    output = " ".join(shown("openrlhf", "check", file).stdout.split())
    assert output == f"OpenRLHF {installed_version()} takes it: {steps} steps"


def test_the_command_is_openrlhfs(here: Path) -> None:
    words = shlex.split(shown("openrlhf", "command", "judge.toml").stdout)
    assert words[:3] == ["python", "-m", f"openrlhf.cli.{OpenRLHF.program}"]
    parsed = vars(parser_of(OpenRLHF.program).parse_args(words[3:]))
    assert parsed["rollout.n_samples_per_prompt"] == 8
    assert Path(parsed["train.agent_func_path"]).is_file()


def test_the_other_programs_have_theirs(here: Path) -> None:
    words = shlex.split(shown("openrlhf", "command", "sft.toml").stdout)
    assert words[:5] == ["deepspeed", "--num_gpus", "8", "--module", "openrlhf.cli.train_sft"]
    parsed = vars(parser_of("train_sft").parse_args(words[5:]))
    assert len(Path(parsed["data.dataset"]).read_text().splitlines()) == 256


def test_the_table_says_what_they_are() -> None:
    rows = re.findall(r"^\| `(openrlhf-\w+)` \| `(\w+)` \|.*\| `([\w-]+)/` \|$", PAGE, re.M)
    assert len(rows) == 3
    for name, program, leaves in rows:
        trainer = catalogue().find("trainers", name)
        assert issubclass(trainer, OpenRLHFTrainer)
        assert (trainer.program, trainer.leaves) == (program, leaves)


def test_the_parts_are_of_the_run_file(here: Path) -> None:
    _, arguments, job = PARTS
    words = shlex.split(added(here, job).stdout)
    assert words[:4] == ["ray", "job", "submit", "--address=http://head:8265"]
    words = shlex.split(added(here, arguments).stdout)
    assert words[words.index("--actor.num_nodes") + 1] == "4"
    assert words[words.index("--actor.max_norm") + 1] == "0.5"


def test_the_options_shown_exist() -> None:
    described = tomllib.loads(FILES["judge.toml"])
    run = build_run(described | {"train": described["train"] | PARTS[0]["train"]})
    assert isinstance(run.train, OpenRLHF)
    actions = parser_of(OpenRLHF.program)._actions
    known = {option for action in actions for option in action.option_strings}
    assert run.train.options and {f"--{name}" for name in run.train.options} <= known


def test_the_reward_file_is_written(here: Path) -> None:
    assert "--reward.remote_url" in shown("openrlhf", "reward").stdout
    assert len((here / "reward_func.py").read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_the_options_shown(command: list[str]) -> None:
    names = [word for word in command[1:3] if word.isidentifier()]
    told = CliRunner().invoke(j1, [*names, "--help"]).output
    assert all(word in told for word in command if word.startswith("--"))


def test_every_run_file_shown_is_used() -> None:
    assert {word for command in COMMANDS for word in command if word.endswith(".toml")} == set(
        FILES
    )


def test_the_version_is_one_the_page_knows() -> None:
    oldest, newest = re.findall(r"from (0\.\d+\.\d+)\s+to (0\.\d+\.\d+)", PAGE)[0]
    assert version_of(oldest) <= version_of(installed_version()) <= version_of(newest)
