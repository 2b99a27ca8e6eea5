"""A judge as slime's custom reward, called by slime's own reward hub, as `j1 connect` prints it.

slime is on no package index: its source is fetched by git, and without network this file is
skipped.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pages import blocks, section

from j1sdk import PairwiseScores, Pointwise
from j1sdk.adapters import Adapter, Scorer
from j1sdk.adapters.scorers import OwnJudge
from j1sdk.adapters.slime import Rewarder, Slime
from j1sdk.cli import j1
from j1sdk.server import Serve, served
from j1sdk.testing import AdapterContract, Row, judge_by_rule, worth

pytest.importorskip("slime", reason="slime's source could not be fetched")

from slime.rollout.rm_hub import async_rm, batched_async_rm
from slime.utils.types import Sample

Rewards = list[float | None]
RENDERED = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


def samples(rows: Sequence[Row]) -> list[Any]:
    """As its rollouts leave them: the end token is kept."""
    groups = list(dict.fromkeys(row.group for row in rows))
    return [
        Sample(
            prompt=RENDERED.format(row.prompt),
            response=f"{row.response}<|im_end|>",
            label=row.reference,
            group_index=groups.index(row.group),
            metadata={},
        )
        for row in rows
    ]


def arguments(url: str, folder: Path, n: int, *settings: str) -> Namespace:
    """Slime's arguments, with what `j1 connect` printed and wrote."""
    words = ["connect", "slime", "--url", url, "--to", str(folder)]
    for setting in settings:
        words += ["--set", setting]
    result = CliRunner().invoke(j1, words)
    assert result.exit_code == 0, result.output
    path, reward, config, file = result.stdout.split()
    assert (path, config) == ("--custom-rm-path", "--custom-config-path")
    own = {"rm_type": None, "rm_url": None, "n_samples_per_prompt": n}
    added: dict[str, Any] = yaml.safe_load(Path(file).read_text())  # as slime sets them
    return Namespace(custom_rm_path=reward, **own, **added)


def rewarded(args: Namespace, made: Sequence[Any], group_rm: bool = False) -> list[float]:
    """The rewards as slime's hub gets them: of all samples at once, or group by group."""

    async def all_of_them() -> list[float]:
        if not group_rm:
            return list(await asyncio.gather(*(async_rm(args, sample) for sample in made)))
        n = args.n_samples_per_prompt
        groups = [made[start : start + n] for start in range(0, len(made), n)]
        scored = await asyncio.gather(*(batched_async_rm(args, group) for group in groups))
        return [reward for group in scored for reward in group]

    return asyncio.run(all_of_them())


def kept(made: Sequence[Any], rewards: Sequence[float]) -> Rewards:
    """The rewards, None for a sample that slime trains nothing on."""
    pairs = zip(made, rewards, strict=True)
    return [None if sample.remove_sample else reward for sample, reward in pairs]


class TestSlime(AdapterContract):
    component = Slime()

    def call(self, adapter: Adapter, scorer: Scorer, rows: Sequence[Row]) -> Rewards:
        assert isinstance(adapter, Slime)
        made = samples(rows)
        n = max(sum(row.group == other.group for other in rows) for row in rows)
        rewarder = Rewarder(adapter, scorer, n)

        async def all_at_once() -> list[float]:
            return list(await asyncio.gather(*map(rewarder.of_sample, made)))

        return kept(made, asyncio.run(all_at_once()))


@pytest.mark.parametrize("group_rm", [False, True])
def test_a_group_is_ranked_whole(group_rm: bool, tmp_path: Path) -> None:
    made = samples([*worth(9, 7), *worth(3, 1, group="second")])
    with served(judge_by_rule(PairwiseScores()), Serve(port=0)) as server:
        args = arguments(server.url, tmp_path, 2)
        assert rewarded(args, made, group_rm) == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize("group_rm", [False, True])
def test_a_failed_sample_is_removed_and_does_not_move_the_baseline(
    group_rm: bool, tmp_path: Path
) -> None:
    made = samples(worth(3, "?", 9, 6))
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        args = arguments(server.url, tmp_path, 4)
        rewards = rewarded(args, made, group_rm)
    assert rewards == pytest.approx([0.3, 0.6, 0.9, 0.6])
    assert [sample.remove_sample for sample in made] == [False, True, False, False]
    assert [sample.metadata["j1/unscored"] for sample in made] == [0.0, 1.0, 0.0, 0.0]


def test_the_judge_is_not_shown_the_end_token_or_the_template(tmp_path: Path) -> None:
    judge = judge_by_rule(Pointwise())
    rewarder = Rewarder(Slime(), OwnJudge(judge=judge), 1)
    asyncio.run(rewarder.of_sample(samples(worth(3))[0]))
    (asked,) = judge.engine.asked  # type: ignore[attr-defined]
    assert "worth 3." in asked[-1].content and "im_end" not in asked[-1].content.split("worth")[1]


def test_a_dead_server_removes_what_it_should_have_scored(tmp_path: Path) -> None:
    made = samples(worth(3, 6))
    args = arguments("http://127.0.0.1:1", tmp_path, 2, "adapter.deadline=0.5")
    rewards = rewarded(args, made, group_rm=True)
    assert kept(made, rewards) == [None, None]


def test_the_page_shows_what_is_printed() -> None:
    (shown,) = blocks(section("frameworks", "slime"), "console")
    assert "--custom-rm-path j1sdk.adapters.slime.reward\n--custom-config-path conf/" in shown
