"""A judge as slime's custom reward, called by slime's own reward hub, as `j1 connect` prints it.

slime is on no package index: its source is fetched by git, and without network this file is
skipped.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
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
from j1sdk.adapters.slime import Slime
from j1sdk.adapters.slime import rewarded as adapter_rewards
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
    parser = ArgumentParser()  # slime's own has the flags of Megatron as well
    for flag in ("custom-rm-path", "custom-config-path", "reward-key", "log-reward-category"):
        parser.add_argument(f"--{flag}")
    parser.add_argument("--group-rm", action="store_true")
    args = parser.parse_args(result.stdout.split())
    for key, value in yaml.safe_load(Path(args.custom_config_path).read_text()).items():
        setattr(args, key, value)  # as slime does
    args.rm_type, args.rm_url, args.n_samples_per_prompt = None, None, n
    return args


def rewarded(args: Namespace, made: Sequence[Any], group_rm: bool = True) -> list[float]:
    """The rewards that slime's hub gets, by slime's own reading: group by group, or one by one."""

    async def all_of_them() -> list[Any]:
        if not group_rm:
            return list(await asyncio.gather(*(async_rm(args, sample) for sample in made)))
        n = args.n_samples_per_prompt
        groups = [made[start : start + n] for start in range(0, len(made), n)]
        scored = await asyncio.gather(*(batched_async_rm(args, group) for group in groups))
        return [reward for group in scored for reward in group]

    for sample, reward in zip(made, asyncio.run(all_of_them()), strict=True):
        sample.reward = reward
    return [sample.get_reward_value(args) for sample in made]


def kept(made: Sequence[Any], rewards: Sequence[float]) -> Rewards:
    """The rewards, None for a sample that slime trains nothing on."""
    pairs = zip(made, rewards, strict=True)
    return [None if sample.remove_sample else reward for sample, reward in pairs]


class TestSlime(AdapterContract):
    component = Slime()

    @pytest.fixture(autouse=True)
    def _own(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def call(self, adapter: Adapter, scorer: Scorer, rows: Sequence[Row]) -> Rewards:
        if isinstance(scorer, OwnJudge):  # whose script no file can hold
            with served(scorer.judge, Serve(port=0)) as server:
                return self.called(adapter.replace(url=server.url), rows)
        return self.called(adapter, rows)

    def called(self, adapter: Adapter, rows: Sequence[Row]) -> Rewards:
        url, n = str(adapter.url), sum(row.group == rows[0].group for row in rows)
        folder = self.folder / str(abs(hash((url, adapter.unscored))))
        args = arguments(url, folder, n, f"adapter.unscored={adapter.unscored}")
        made = samples(rows)
        return kept(made, rewarded(args, made))


def test_groups_with_one_prompt_are_ranked_apart(tmp_path: Path) -> None:
    made = samples([*worth(9, 7), *worth(3, 1, group="second")])
    with served(judge_by_rule(PairwiseScores()), Serve(port=0)) as server:
        args = arguments(server.url, tmp_path, 2)
        assert args.group_rm and rewarded(args, made) == [1.0, 0.0, 1.0, 0.0]


def test_a_failed_sample_is_removed_and_does_not_move_the_baseline(tmp_path: Path) -> None:
    made = samples(worth(3, "?", 9, 6))
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        args = arguments(server.url, tmp_path, 4)
        rewards = rewarded(args, made)
    assert rewards == pytest.approx([0.3, 0.6, 0.9, 0.6])
    assert [sample.remove_sample for sample in made] == [False, True, False, False]
    categories = [sample.reward[args.log_reward_category] for sample in made]
    assert categories == ["j1/scored", "j1/unscored", "j1/scored", "j1/scored"]


def test_evaluation_scores_each_by_itself_and_waits_for_none(tmp_path: Path) -> None:
    made = samples(worth(3, "?", 9))
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        args = arguments(server.url, tmp_path, 8)
        assert rewarded(args, made, group_rm=False) == pytest.approx([0.3, 0.5, 0.9])


def test_the_judge_is_not_shown_the_end_token_or_the_template(tmp_path: Path) -> None:
    judge = judge_by_rule(Pointwise())
    scorer = OwnJudge(judge=judge)
    asyncio.run(adapter_rewards(Slime(), scorer, samples(worth(3))))
    (asked,) = judge.engine.asked  # type: ignore[attr-defined]
    assert "worth 3." in asked[-1].content and "im_end" not in asked[-1].content.split("worth")[1]


def test_a_dead_server_removes_what_it_should_have_scored(tmp_path: Path) -> None:
    made = samples(worth(3, 6))
    args = arguments("http://127.0.0.1:1", tmp_path, 2, "adapter.deadline=0.5")
    assert kept(made, rewarded(args, made)) == [None, None]


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    (shown,) = blocks(section("frameworks", "slime"), "console")
    command, _, printed = shown.partition("\n")
    words = [word.replace("conf", str(tmp_path)) for word in command.split()[2:]]
    result = CliRunner().invoke(j1, words)
    assert result.stdout.replace(str(tmp_path), "conf") == printed
