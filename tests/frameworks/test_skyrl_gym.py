"""A judge as an environment of the real skyrl-gym, registered by what `j1 connect` prints."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import skyrl_gym
from click.testing import CliRunner
from connected import ConnectedContract
from pages import blocks, executed, section
from skyrl_gym.envs import registration
from skyrl_gym.metrics import default_aggregate_metrics

from j1sdk import PairwiseScores, Pointwise
from j1sdk.adapters import Adapter
from j1sdk.adapters.skyrl import SkyRL
from j1sdk.cli import j1
from j1sdk.errors import UnscoredError
from j1sdk.server import Serve, served
from j1sdk.testing import Row, judge_by_rule, worth


@pytest.fixture(autouse=True)
def _unregistered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "registry", dict(registration.registry))


def printed(url: str, folder: Path, *settings: str) -> str:
    words = ["connect", "skyrl", "--url", url, "--to", str(folder)]
    for setting in settings:
        words += ["--set", setting]
    result = CliRunner().invoke(j1, words)
    assert result.exit_code == 0, result.output
    return result.stdout


def rollout(row: Row) -> tuple[float, dict[str, float]]:
    """The reward and metrics of one rollout, as SkyRL's generator gets them."""
    extras: dict[str, Any] = {"reward_spec": {"ground_truth": row.reference}, "max_turns": 1}
    environment = skyrl_gym.make("j1", env_config={}, extras=extras)
    environment.init([{"role": "user", "content": row.prompt}])
    step = environment.step(f"{row.response}<|im_end|>")
    assert step["done"] and step["reward"] is not None
    return step["reward"], environment.get_metrics()


def rollouts(rows: Sequence[Row]) -> list[tuple[float, dict[str, float]]]:
    """In threads, as SkyRL's workers are."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(rollout, rows))


class TestSkyRl(ConnectedContract):
    component = SkyRL()
    grouped = False

    def connected(self, adapter: Adapter, file: Path, rows: Sequence[Row]) -> list[float | None]:
        registration.registry.pop("j1", None)  # of the call before
        executed(adapter.instructions(file).paste)
        return [reward for reward, _ in rollouts(rows)]


def test_the_rate_of_what_has_no_score_is_a_metric(tmp_path: Path) -> None:
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        executed(printed(server.url, tmp_path, "adapter.unscored=neutral"))
        made = rollouts(worth(3, "?", 9, 6))
    assert [reward for reward, _ in made] == [0.3, 0.5, 0.9, 0.6]
    assert default_aggregate_metrics([metrics for _, metrics in made])["j1/unscored"] == 0.25


def test_a_pairwise_judge_compares_with_the_ground_truth(tmp_path: Path) -> None:
    rows = [Row(f"It is worth {value}.", reference="It is worth 4.") for value in (3, 4, 9)]
    with served(judge_by_rule(PairwiseScores()), Serve(port=0)) as server:
        executed(printed(server.url, tmp_path))
        assert [reward for reward, _ in rollouts(rows)] == [0.0, 0.5, 1.0]


def test_a_dead_server_is_an_error(tmp_path: Path) -> None:
    executed(printed("http://127.0.0.1:1", tmp_path, "adapter.deadline=0.5"))
    with pytest.raises(UnscoredError, match=r"127\.0\.0\.1:1"):
        rollouts(worth(3))


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    (shown,) = blocks(section("frameworks", "SkyRL"), "python")
    made = printed("http://localhost:8000", tmp_path).replace(str(tmp_path), "conf")
    assert shown.replace('"', "'") == made.replace('"', "'")
