"""`j1 connect`: what it writes and prints is all that a framework needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from j1sdk import Pointwise
from j1sdk.adapters.connection import open_connection
from j1sdk.adapters.openrlhf import OpenRLHF
from j1sdk.adapters.trl import TRL
from j1sdk.cli import j1
from j1sdk.errors import ConfigError
from j1sdk.server import Serve, served
from j1sdk.testing import judge_by_rule

WITH_WEIGHTS = '[judge]\nformat = "pointwise"\nengine = { name = "transformers", model = "m" }\n'
REMOTE = """
[judge]
format = "pointwise"
engine = { name = "openai", model = "m", base_url = "http://localhost:1/v1", retries = 0 }
"""


@pytest.fixture
def server() -> Iterator[str]:
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        yield server.url


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    file = tmp_path / "judge.toml"
    file.write_text(REMOTE)
    return file


def connect(*words: object) -> Result:
    return CliRunner().invoke(j1, ["connect", *map(str, words)])


def refusal(*words: object) -> str:
    result = connect(*words)
    assert isinstance(result.exception, ConfigError), result.output
    return str(result.exception)


def test_without_arguments_it_lists_every_framework() -> None:
    shown = connect().output
    for name in ("trl", "openrlhf"):
        assert f" {name} " in shown
    assert "1.16.0" in shown and "installed" in shown


def test_what_trl_is_to_be_given_runs_as_it_is_printed(tmp_path: Path, server: str) -> None:
    result = connect("trl", "--url", server, "--to", tmp_path / "conf")
    assert result.exit_code == 0, result.output
    names: dict[str, Any] = {}
    exec(result.stdout, names)
    answers = ["It is worth 7.", "It is worth ?."]
    assert names["reward"](prompts=["q", "q"], completions=answers) == [0.7, None]


def test_the_file_for_openrlhf_is_what_it_loads(tmp_path: Path, run_file: Path) -> None:
    result = connect("openrlhf", run_file, "--to", tmp_path / "conf")
    file = Path(result.stdout.split()[-1])
    assert result.stdout.startswith("--reward.remote_url ") and file.is_absolute()
    spec = importlib.util.spec_from_file_location("reward", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reward: Callable[..., Any] = module.reward_func
    with pytest.raises(Exception, match="engine_error"):  # nobody listens at port 1
        reward(["2+2?4"], ["2+2?"], [""])


def test_openrlhf_asks_a_server_itself(tmp_path: Path) -> None:
    url = "http://judge:8000"
    result = connect("openrlhf", "--url", url, "--token-env", "JUDGE_TOKEN", "--to", tmp_path)
    assert result.stdout == f"--reward.remote_url {url}/get_reward?token=$JUDGE_TOKEN\n"


def test_options_of_the_adapter_are_set_and_kept(tmp_path: Path, run_file: Path) -> None:
    connect("trl", run_file, "--to", tmp_path, "--set", "adapter.unscored=group")
    connection = open_connection(TRL, tmp_path / "trl.toml")
    assert connection.adapter.unscored == "group"
    assert connection.judge is not None and connection.judge.engine.label == "m"


def test_paths_of_the_run_file_still_lead_there(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "judge.toml").write_text(WITH_WEIGHTS.replace('"m"', '"./model"'))
    result = connect("trl", tmp_path / "here" / "judge.toml", "--to", tmp_path / "there")
    assert result.exit_code == 0, result.output
    judge = open_connection(TRL, tmp_path / "there" / "trl.toml").judge
    assert judge is not None and judge.engine.label == str(tmp_path / "here" / "model")


def test_a_judge_with_weights_is_not_loaded_once_per_worker(tmp_path: Path) -> None:
    (tmp_path / "judge.toml").write_text(WITH_WEIGHTS)
    said = refusal("openrlhf", tmp_path / "judge.toml", "--to", tmp_path / "conf")
    assert "j1 serve" in said and "j1 connect openrlhf --url" in said
    assert not (tmp_path / "conf").exists()


def test_what_cannot_work_says_what_to_type(tmp_path: Path, run_file: Path) -> None:
    assert "did you mean 'trl'?" in refusal("trll", run_file, "--to", tmp_path)
    assert "--to DIR" in refusal("trl", run_file)
    assert "either a judge or the `url`" in refusal("trl", "--to", tmp_path)
    assert "either a judge or" in refusal("trl", run_file, "--url", "http://x", "--to", tmp_path)
    wrong = ("--set", "adapter.unscored=none")
    assert "unscored" in refusal("trl", run_file, "--to", tmp_path, *wrong)


def test_a_connection_is_not_mistaken_for_another(
    tmp_path: Path, run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("trl", run_file, "--to", tmp_path)
    with pytest.raises(ConfigError, match="connects trl, not openrlhf"):
        open_connection(OpenRLHF, tmp_path / "trl.toml")
    with pytest.raises(ConfigError, match="j1 connect openrlhf RUN_FILE --to DIR"):
        open_connection(OpenRLHF)
    monkeypatch.setenv("J1_CONNECTION", str(tmp_path / "trl.toml"))
    assert open_connection(TRL).adapter == TRL()
