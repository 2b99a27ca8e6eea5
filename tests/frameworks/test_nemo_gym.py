"""A judge as a resources server of the real NeMo Gym: its base class, web server and bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from absent import without
from click.testing import CliRunner
from connected import ConnectedContract
from fastapi.testclient import TestClient
from pages import blocks, section
from reward_client import ask

from j1sdk import PairwiseScores, Pointwise
from j1sdk.adapters import Adapter
from j1sdk.adapters.nemo_gym import NeMoGym
from j1sdk.cli import j1
from j1sdk.errors import J1Error
from j1sdk.server import Serve, served
from j1sdk.testing import Row, judge_by_rule, worth

without("wandb", "yappi", "gprof2dot", "pydot", "ray")

from nemo_gym.base_resources_server import BaseVerifyResponse  # noqa: E402
from nemo_gym.server_utils import ServerClient  # noqa: E402

from j1sdk.adapters.nemo_gym import J1ResourcesServer  # noqa: E402


def body(row: Row, **fields: Any) -> dict[str, Any]:
    """What NeMo Gym's agent sends for a rollout, with the row's own fields beside."""
    part = {"type": "output_text", "text": row.response, "annotations": []}
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed"}
    thought = {"id": "t", "type": "reasoning", "summary": [{"type": "summary_text", "text": "9"}]}
    response = {
        "id": "r", "created_at": 0, "model": "m", "object": "response", "tools": [],
        "parallel_tool_calls": False, "tool_choice": "auto",
        "output": [thought, {**message, "content": [part]}],
    }  # fmt: skip
    asked = {"input": [{"role": "user", "content": row.prompt}]}
    return {"responses_create_params": asked, "response": response, **fields}


@contextmanager
def running(server: type, connection: Path, n: int = 1) -> Iterator[Callable[..., list[Any]]]:
    """NeMo Gym's web application of a server, which answers bodies that come at once."""
    kind: Any = server
    config = kind.model_fields["config"].annotation(
        host="127.0.0.1", port=1, entrypoint="app.py", name="j1",
        connection=str(connection), num_rollouts_per_prompt=n,
    )  # fmt: skip
    app = kind(config=config, server_client=MagicMock(spec=ServerClient)).setup_webserver()

    def verified(bodies: Sequence[Any]) -> list[Any]:
        with ThreadPoolExecutor(len(bodies)) as pool:
            return list(pool.map(lambda one: client.post("/verify", json=one), bodies))

    with TestClient(app) as client:
        yield verified


def rewards(answers: Sequence[Any]) -> list[float | None]:
    """As NeMo Gym's agent reads them."""
    assert {answer.status_code for answer in answers} == {200}
    return [BaseVerifyResponse.model_validate(answer.json()).reward for answer in answers]


class TestNeMoGym(ConnectedContract):
    component = NeMoGym()

    def connected(self, adapter: Adapter, file: Path, rows: Sequence[Row]) -> list[float | None]:
        names = list(dict.fromkeys(row.group for row in rows))
        n = len(rows) // len(names)
        bodies = [body(row, _ng_task_index=names.index(row.group)) for row in rows]
        with running(J1ResourcesServer, file, n) as verified:
            return rewards(verified(bodies))


def test_what_is_written_is_a_resources_server_of_its_own(tmp_path: Path) -> None:
    """The script and the configuration, as NeMo Gym reads them."""
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        words = ["connect", "nemo-gym", "--url", server.url, "--to", str(tmp_path)]
        assert CliRunner().invoke(j1, words).exit_code == 0
        spec = spec_from_file_location("app", tmp_path / "app.py")
        assert spec and spec.loader
        spec.loader.exec_module(app := module_from_spec(spec))
        described = yaml.safe_load((tmp_path / "configs/j1.yaml").read_text())
        (options,) = described["j1"]["resources_servers"].values()
        with running(app.J1ResourcesServer, Path(options["connection"])) as verified:
            (answer,) = verified([body(Row("It is worth 7."), category="colours")])
    assert answer.json()["reward"] == 0.7 and answer.json()["category"] == "colours"
    assert answer.json()["j1/unscored"] == 0.0


def test_a_failure_is_no_reward(tmp_path: Path) -> None:
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        words = ["connect", "nemo-gym", "--url", server.url, "--to", str(tmp_path)]
        words += ["--set", "adapter.deadline=0.5"]
        assert CliRunner().invoke(j1, words).exit_code == 0
    with (  # the server is gone
        running(J1ResourcesServer, tmp_path / "nemo-gym.toml") as verified,
        pytest.raises(J1Error, match=r"127\.0\.0\.1"),
    ):
        verified([body(Row("It is worth 7."))])


def test_an_answer_that_calls_a_tool_is_no_answer(tmp_path: Path) -> None:
    sent = body(Row("It is worth 7."))
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    sent["response"]["output"].append(call)
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        assert ask(f"{server.url}/verify", sent).status == 503


def test_the_route_takes_and_gives_the_same_bodies() -> None:
    """Groups are those of a task, though all have one prompt; a failure is no reward."""
    rows = [*worth(9, 7), *worth(3, 1, group="second")]
    bodies = [body(row, _ng_task_index=place // 2) for place, row in enumerate(rows)]
    with served(judge_by_rule(PairwiseScores()), Serve(port=0, cohort=2)) as server:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda one: ask(f"{server.url}/verify", one), bodies))
        told = [BaseVerifyResponse.model_validate_json(answer.body) for answer in answers]
    assert [one.reward for one in told] == [1.0, 0.0, 1.0, 0.0]
    assert [json.loads(answer.body)["_ng_task_index"] for answer in answers] == [0, 0, 1, 1]
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        failed = ask(f"{server.url}/verify", body(Row("It is worth ?.")))
    assert failed.status == 503 and "reward" not in failed.json


def test_the_page_shows_what_is_written(tmp_path: Path) -> None:
    (shown,) = blocks(section("frameworks", "NeMo Gym"), "yaml")
    words = ["connect", "nemo-gym", "--url", "http://localhost:8000", "--to", str(tmp_path)]
    result = CliRunner().invoke(j1, words)
    assert result.stdout == "resources_servers/j1/configs/j1.yaml\n"
    assert (tmp_path / "configs/j1.yaml").read_text().replace(str(tmp_path), "conf") == shown
