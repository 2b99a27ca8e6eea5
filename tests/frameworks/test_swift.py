"""A judge as a reward of the real ms-swift: its own import of the plugin, its own scoring."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from absent import without
from click.testing import CliRunner
from pages import blocks, section

from j1sdk import ConfigError, PairwiseScores, Pointwise
from j1sdk.adapters import Adapter, Scorer
from j1sdk.adapters.ms_swift import MsSwift
from j1sdk.cli import j1
from j1sdk.server import Serve, served
from j1sdk.testing import AdapterContract, Row, judge_by_rule, worth

without("oss2", "aliyunsdkcore", "crcmod")

from swift.rewards import orms  # noqa: E402
from swift.rl_core.advantage import compute_advantages  # noqa: E402
from swift.rl_core.data import GRPOSample  # noqa: E402
from swift.rl_core.grpo_algorithm import score_completions  # noqa: E402
from swift.utils.utils import import_external_file  # noqa: E402

Rewards = list[float | None]


def size_of(rows: Sequence[Row]) -> int:
    return len(list(next(groupby(rows, lambda row: row.group))[1]))


def scored(reward: Any, rows: Sequence[Row]) -> torch.Tensor:
    """The rewards as ms-swift's own code takes them, a column for the one function."""
    samples = [
        GRPOSample(
            messages=[
                {"role": "user", "content": row.prompt},
                {"role": "assistant", "content": row.response},
            ],
            prompt_id="prompt_0",  # ms-swift gives one id to equal prompts
            request_id=str(place),
            extra={"solution": row.reference},
        )
        for place, row in enumerate(rows)
    ]
    device = torch.device("cpu")
    made: torch.Tensor = score_completions(samples, [reward], None, False, device)
    return made


def registered(url: str, folder: Path, rows: Sequence[Row], *settings: str) -> Any:
    """The reward that ms-swift makes of what `j1 connect` printed and wrote."""
    words = ["connect", "ms-swift", "--url", url, "--to", str(folder)]
    for setting in settings:
        words += ["--set", setting]
    result = CliRunner().invoke(j1, words)
    assert result.exit_code == 0, result.output
    flag, file, other, name = result.stdout.split()
    assert (flag, other) == ("--external_plugins", "--reward_funcs")
    import_external_file(file)
    return orms[name](args=SimpleNamespace(num_generations=size_of(rows)))


class TestMsSwift(AdapterContract):
    component = MsSwift()

    def call(self, adapter: Adapter, scorer: Scorer, rows: Sequence[Row]) -> Rewards:
        reward = adapter.replace(group_size=size_of(rows)).reward_function(scorer)
        return [round(value, 6) for value in scored(reward, rows)[:, 0].tolist()]


def test_a_failed_completion_has_no_advantage(tmp_path: Path) -> None:
    rows = worth(3, 6, "?", 9)
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        rewards = scored(registered(server.url, tmp_path, rows), rows)
    advantages, *_ = compute_advantages(
        rewards_per_func=rewards,
        reward_weights=torch.ones(1),
        num_generations=4,
        advantage_estimator="grpo",
        scale_rewards="group",
        kl_in_reward=False,
        beta=0.0,
        kl_values=None,
    )
    assert advantages[2].item() == pytest.approx(0, abs=1e-5)
    assert advantages[0] < 0 < advantages[3]


def test_a_group_is_ranked_whole_and_half_a_group_is_refused(tmp_path: Path) -> None:
    rows = [*worth(9, 7), *worth(3, 1, group="second")]
    with served(judge_by_rule(PairwiseScores()), Serve(port=0)) as server:
        reward = registered(server.url, tmp_path, rows)
        assert scored(reward, rows)[:, 0].tolist() == [1.0, 0.0, 1.0, 0.0]
        with pytest.raises(ConfigError, match="not groups of 2 completions"):
            scored(reward, rows[:3])


@pytest.mark.parametrize("failed", [1, 20])
def test_what_fails_gets_the_mean_and_never_zero(failed: int, tmp_path: Path) -> None:
    rows = worth(*["?"] * failed, *[8] * (20 - failed))
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        rewards = scored(registered(server.url, tmp_path, rows), rows)[:, 0]
    expected = 0.8 if failed < 20 else 0.5
    assert rewards.tolist() == pytest.approx([expected] * 20)


def test_another_group_size_in_evaluation_is_refused(tmp_path: Path) -> None:
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        registered(server.url, tmp_path, worth(3, 6))
    with pytest.raises(ConfigError, match="groups of 4 and training of 2"):
        orms["j1"](args=SimpleNamespace(num_generations=2, num_generations_eval=4))


def test_a_dead_server_is_no_score(tmp_path: Path) -> None:
    rows = worth(3, 6)
    reward = registered(
        "http://127.0.0.1:1",
        tmp_path,
        rows,
        "adapter.deadline=0.5",
        "adapter.unscored=neutral",
        "adapter.reference_column=solution",
    )
    assert scored(reward, rows)[:, 0].tolist() == [0.5, 0.5]


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    (shown,) = blocks(section("frameworks", "ms-swift"), "console")
    assert "--external_plugins conf/j1_swift.py --reward_funcs j1" in shown
