"""LLaMA-Factory's own client, from its file: the package around it wants far more installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from j1sdk import PairwiseScores, Pointwise
from j1sdk.cli import j1
from j1sdk.server import Serve, served
from j1sdk.testing import judge_by_rule

PACKAGES = ("", ".extras", ".train", ".train.ppo")
RENDERED = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>"
"""As its tokenizer decodes prompt and response, with all special tokens."""


@pytest.fixture(scope="module")
def client() -> Callable[[str, list[str]], Any]:
    spec = importlib.util.find_spec("llamafactory")
    assert spec and spec.submodule_search_locations
    root = Path(spec.submodule_search_locations[0])
    for package in PACKAGES:
        module = ModuleType(f"llamafactory{package}")
        module.__path__ = [str(root.joinpath(*package.split(".")))]
        sys.modules[module.__name__] = module
    from llamafactory.train.ppo.ppo_utils import get_rewards_from_server

    asked: Callable[[str, list[str]], Any] = get_rewards_from_server
    return asked


def connected(url: str, folder: Path) -> dict[str, str]:
    """What `j1 connect` prints, read as LLaMA-Factory reads its YAML."""
    result = CliRunner().invoke(j1, ["connect", "llamafactory", "--url", url, "--to", str(folder)])
    assert result.exit_code == 0, result.output
    options: dict[str, str] = yaml.safe_load(result.stdout)
    assert options["reward_model_type"] == "api"
    return options


def texts(*values: object) -> list[str]:
    return [RENDERED.format("Name a colour.", f"It is worth {value}.") for value in values]


def test_its_client_gets_the_scores(client: Callable[..., Any], tmp_path: Path) -> None:
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        url = connected(server.url, tmp_path)["reward_model"]
        assert client(url, texts(7, 2)).tolist() == pytest.approx([0.7, 0.2])


def test_a_failure_is_no_number_unless_the_server_was_told_so(
    client: Callable[..., Any], tmp_path: Path
) -> None:
    judge = judge_by_rule(Pointwise())
    with served(judge, Serve(port=0)) as server, pytest.raises(KeyError, match="scores"):
        client(connected(server.url, tmp_path)["reward_model"], texts(7, "?"))  # ends its training
    with served(judge_by_rule(Pointwise()), Serve(port=0, unscored="neutral")) as server:
        rewards = client(connected(server.url, tmp_path)["reward_model"], texts(7, "?"))
        assert rewards.tolist() == pytest.approx([0.7, 0.5])


def test_a_pairwise_judge_ranks_a_cohort(client: Callable[..., Any], tmp_path: Path) -> None:
    with served(judge_by_rule(PairwiseScores()), Serve(port=0, cohort=3)) as server:
        rewards = client(connected(server.url, tmp_path)["reward_model"], texts(1, 9, 5))
    assert rewards.tolist() == [0.0, 1.0, 0.5]


def test_it_needs_a_server(tmp_path: Path) -> None:
    run_file = tmp_path / "judge.toml"
    run_file.write_text(
        '[judge]\nformat = "pointwise"\n'
        'engine = { name = "openai", model = "m", base_url = "http://localhost:1/v1" }\n'
    )
    words = ["connect", "llamafactory", str(run_file), "--to", str(tmp_path / "conf")]
    result = CliRunner().invoke(j1, words)
    assert "j1 serve RUN_FILE" in str(result.exception)
