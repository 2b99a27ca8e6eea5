"""`j1 serve`: what it prints, takes and refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from reward_client import ask, sample, until

from j1sdk import JudgeRewardModel, MissingExtraError, Pointwise, Scripted
from j1sdk.cli import j1
from j1sdk.cli.serve import changed, welcome
from j1sdk.errors import J1Error
from j1sdk.run import open_run
from j1sdk.server import Serve, open_server

J1 = str(Path(sys.executable).with_name("j1"))
ANSWERS = tuple(Pointwise().write((score,)) for score in (7.5, 2.0))


@pytest.fixture
def judge(tmp_path: Path) -> Path:
    """A saved judge with two judgments to give, and a run file that says how to serve it."""
    saved = JudgeRewardModel(format=Pointwise(), engine=Scripted(answers=ANSWERS))
    saved.save(tmp_path / "judge")
    with (tmp_path / "judge" / "j1.toml").open("a", encoding="utf-8") as file:
        file.write("\n[serve]\nport = 0\nwarm_up = false\n")
    return tmp_path / "judge"


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts commands that are ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*words: object, **variables: str) -> subprocess.Popen[str]:
        command = [J1, "serve", *map(str, words)]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **variables}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def said_by(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a server says when it starts, and its URL."""
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(6)]
    return "".join(lines), lines[0].split()[-1]


def refusal(*words: object) -> str:
    result = CliRunner().invoke(j1, ["serve", *map(str, words)])
    assert isinstance(result.exception, J1Error), result.output
    return str(result.exception)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_told_to_stop(judge: Path, start: Any, number: signal.Signals) -> None:
    process = start(judge)
    output, url = said_by(process)
    until(lambda: ask(f"{url}/ready").status == 200)
    assert ask(f"{url}/get_reward", sample("Because.")).json["rewards"] == [0.75]
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and errors == ""
    assert f"--reward.remote_url {url}/get_reward\n" in output
    assert f"--rm-type remote_rm --rm-url {url}/slime\n" in output
    assert f"reward_model_type: api, reward_model: {url}/llamafactory\n" in output


def test_options_override_the_run_file(judge: Path, start: Any) -> None:
    options = ("--token-env", "JUDGE_TOKEN", "--unscored", "neutral", "--host", "0.0.0.0")
    process = start(judge, *options, JUDGE_TOKEN="secret")
    output, url = said_by(process)
    url = url.replace("0.0.0.0", "127.0.0.1")
    until(lambda: ask(f"{url}/health").status == 200)
    assert ask(f"{url}/get_reward", sample("x")).status == 401
    asked = [ask(f"{url}/get_reward?token=secret", sample(text)).json for text in "abc"]
    assert [one["rewards"] for one in asked] == [[0.75], [0.2], [0.5]]
    assert "/get_reward?token=$JUDGE_TOKEN\n" in output and "secret" not in output


def test_help_explains_every_option() -> None:
    shown = CliRunner().invoke(j1, ["serve", "--help"]).output
    for option in ("--host", "--port", "--unscored", "--cohort", "--deadline", "--token-env"):
        assert option in shown
    assert "OpenRLHF" in shown


def test_what_cannot_work_is_an_error(judge: Path, tmp_path: Path) -> None:
    assert "set token_env" in refusal(judge, "--host", "0.0.0.0")
    assert "scores each response by itself" in refusal(judge, "--cohort", 8)
    assert "JUDGE_TOKEN holds no token" in refusal(judge, "--token-env", "JUDGE_TOKEN")
    assert "cohort_wait has to leave time" in refusal(judge, "--cohort", 2, "--deadline", 5)
    assert "deadline: Input should be greater than 0" in refusal(judge, "--deadline", 0)
    assert "cannot read" in refusal(tmp_path / "nowhere.toml")


def test_an_engine_that_cannot_work_is_an_error(tmp_path: Path, start: Any) -> None:
    run_file = tmp_path / "run.toml"
    run_file.write_text(
        '[judge]\nformat = "pointwise"\nengine = { name = "transformers", model = "./absent" }\n'
        "[serve]\nport = 0\n"
    )
    process = start(run_file)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: no model directory at")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "j1sdk.server.running", raising=False)
    judge = JudgeRewardModel(format=Pointwise(), engine=Scripted())
    with pytest.raises(MissingExtraError, match=r"needs uvicorn.*pip install 'j1sdk\[serve\]'"):
        open_server(judge, Serve(port=0))


def test_the_table_survives_saving(judge: Path) -> None:
    run = open_run(judge)
    assert run.serve == Serve(port=0, warm_up=False)
    assert Serve.model_validate(run.serve.model_dump(mode="json")) == run.serve


def test_changes_are_checked_like_the_table() -> None:
    options = Serve(token_env="JUDGE_TOKEN")
    assert changed(options, {"host": "0.0.0.0", "cohort": 4}).cohort == 4
    assert changed(options, {}) == options


def test_the_welcome_names_each_route() -> None:
    lines = welcome("pointwise", "http://127.0.0.1:8000", Serve()).splitlines()
    assert lines[0] == "Serving a pointwise judge at http://127.0.0.1:8000"
    assert "  OpenRLHF:       --reward.remote_url http://127.0.0.1:8000/get_reward" in lines
    assert "  slime:          --rm-type remote_rm --rm-url http://127.0.0.1:8000/slime" in lines
    assert lines[-1] == "  Page:           http://127.0.0.1:8000/"
