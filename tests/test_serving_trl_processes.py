"""A judge as TRL's reward in two real processes: groups are whole, and nobody waits for ever."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WORKER = """
import asyncio, inspect, json, sys, threading
import torch.distributed as dist
sys.path.insert(0, {tests!r})
from trl_reward import asked, pairwise, pointwise
from j1sdk import JudgeRewardModel, Pointwise, Scripted

dist.init_process_group("gloo")
rank, seen = dist.get_rank(), {{}}
gathered_in = []
gather = dist.all_gather_object


def gather_here(*arguments):
    gathered_in.append(threading.current_thread() is threading.main_thread())
    return gather(*arguments)


dist.all_gather_object = gather_here


def scores(judge, batches, **options):
    prompts, completions = batches[rank]
    reward = judge.as_reward_function("trl", **options)
    try:
        made = reward(prompts=prompts, completions=completions)
        made = asyncio.run(made) if inspect.iscoroutine(made) else made
    except Exception as error:
        made = f"{{type(error).__name__}}: {{error}}"
    return [made, asked(judge)]


def broken(asked, sampling):
    if rank == 1:
        raise KeyError("a plugin's mistake")
    return Pointwise().write((5.0,))


split = [(["p", "p", "p"], ["a", "aaa", "aa"]), (["q", "q", "q"], ["xxx", "x", "xx"])]
uneven = [(["p", "p"], ["a", "aaa"]), (["p", "q", "q", "q"], ["aa", "xxx", "x", "xx"])]
twice = [(["p"] * 3, ["a", "aaa", "aa"]), (["p"] * 3, ["aaaa", "aa", "aaa"])]
empty = [(["p", "p"], ["a", "aa"]), ([], [])]
short = [(["p", "p"], ["a", "aa"]), (["p", "q"], ["aaa", "x"])]
image = [{{"role": "assistant", "content": [{{"type": "image"}}]}}]
pictured = [(["p", "p"], ["a", "aa"]), (["p", "p"], [image, "a"])]
for name, batch in dict(split=split, uneven=uneven, twice=twice, short=short).items():
    seen[name] = scores(pairwise(), batch, group_size=3)
seen["empty"] = scores(pairwise(), empty, group_size=2)
seen["pictured"] = scores(pairwise(), pictured, group_size=2)
seen["alone"] = scores(pointwise(), split)
seen["means"] = scores(
    pointwise(), [(["p"], ["a?"]), (["p"] * 2, ["aa", "aaaa"])], group_size=3, unscored="group"
)
seen["error"] = scores(
    pairwise(), [(["p"] * 2, ["a?", "aa"]), (["q"] * 2, ["x", "xx"])], group_size=2,
    unscored="error",
)
judge = JudgeRewardModel(format=Pointwise(), engine=Scripted(script=broken))
seen["broken"] = scores(judge, split, group_size=3, unscored="group")
seen["gathered"] = list(gathered_in)
seen["async split"] = scores(pairwise(), split, group_size=3, asynchronous=True)
seen["async uneven"] = scores(pairwise(), uneven, group_size=3, asynchronous=True)


async def two_judges():
    # as TRL runs them, on a thread of its own; another one is slow in each process
    judges = [pairwise(), pairwise(lambda text: 9.0 - len(text))]
    slow = judges[rank]
    slow = slow.model_copy(update={{"engine": slow.engine.model_copy(update={{"latency": 0.3}})}})
    judges[rank] = slow
    functions = [
        judge.as_reward_function("trl", group_size=3, asynchronous=True, unscored="neutral")
        for judge in judges
    ]
    prompts, completions = split[rank]
    calls = [function(prompts=prompts, completions=completions) for function in functions]
    return await asyncio.gather(*calls)


both = []
thread = threading.Thread(target=lambda: both.extend(asyncio.run(two_judges())))
thread.start()
thread.join()
seen["two judges"] = both
with open({out!r} + f"/{{rank}}.json", "w") as file:
    json.dump(seen, file)
dist.destroy_process_group()
"""
Ranks = list[dict[str, Any]]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Ranks:
    """What each of two processes got for its rows, and asked its judge."""
    out = tmp_path_factory.mktemp("ranks")
    worker = out / "worker.py"
    worker.write_text(WORKER.format(tests=str(Path(__file__).parent / "support"), out=str(out)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    place = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    environment = os.environ | {
        "TMPDIR": str(out), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }  # fmt: skip
    done = subprocess.run(
        [*launch, *place, str(worker)], env=environment, capture_output=True, text=True,
        timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads((out / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
def test_groups_are_ranked_whole_wherever_their_rows_are(ranks: Ranks) -> None:
    assert [rank["split"][0] for rank in ranks] == [[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]]
    assert [rank["uneven"][0] for rank in ranks] == [[0.0, 1.0], [0.5, 1.0, 0.0, 0.5]]


def test_equal_prompts_of_two_processes_are_two_groups(ranks: Ranks) -> None:
    assert [rank["twice"][0] for rank in ranks] == [[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]]


def test_each_group_is_ranked_by_one_process(ranks: Ranks) -> None:
    letters = [{text[0] for pair in rank["uneven"][1] for text in pair} for rank in ranks]
    assert letters == [{"a"}, {"x"}]
    assert [len(rank["uneven"][1]) for rank in ranks] == [6, 6]


def test_a_process_without_rows_of_its_own_takes_part(ranks: Ranks) -> None:
    assert [rank["empty"][0] for rank in ranks] == [[0.0, 1.0], []]


def test_half_a_group_is_refused_by_every_process(ranks: Ranks) -> None:
    assert all("not groups of 3 completions" in rank["short"][0] for rank in ranks)
    assert not any(rank["short"][1] for rank in ranks)


def test_processes_meet_only_in_the_callers_thread(ranks: Ranks) -> None:
    assert all(rank["gathered"] and all(rank["gathered"]) for rank in ranks)
    assert len(ranks[0]["gathered"]) == len(ranks[1]["gathered"])


def test_what_fails_in_one_process_ends_all(ranks: Ranks) -> None:
    """And leaves none waiting at a collective that the other never reaches."""
    (first, _), (second, _) = (rank["pictured"] for rank in ranks)
    assert "of type 'image'" in second and second.startswith("DataError: row 0")
    assert first == f"J1Error: the reward failed in another process: {second}"
    assert ranks[1]["broken"][0].startswith("KeyError")
    assert "KeyError" in ranks[0]["broken"][0]
    assert ranks[0]["error"][0].startswith("UnscoredError")


def test_a_judge_of_single_responses_scores_its_own(ranks: Ranks) -> None:
    assert [rank["alone"][0] for rank in ranks] == [[0.1, 0.3, 0.2], [0.3, 0.1, 0.2]]
    assert [len(rank["alone"][1]) for rank in ranks] == [3, 3]


def test_a_groups_mean_is_that_of_all_its_rows(ranks: Ranks) -> None:
    assert [rank["means"][0] for rank in ranks] == [pytest.approx([0.3]), [0.2, 0.4]]


def test_an_asynchronous_reward_meets_nobody(ranks: Ranks) -> None:
    assert [rank["async split"][0] for rank in ranks] == [[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]]
    assert all("unless asynchronous" in rank["async uneven"][0] for rank in ranks)


def test_two_asynchronous_judges_do_not_mix(ranks: Ranks) -> None:
    long, short = [0.0, 1.0, 0.5], [1.0, 0.0, 0.5]
    assert [rank["two judges"] for rank in ranks] == [[long, short], [short, long]]
