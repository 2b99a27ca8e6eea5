"""Policies trained by a judge in the real OpenRLHF: by a server, by a file, and in groups.

A tiny policy that often forgets to carry is trained by a tiny judge that has learnt to tell; what
it learns is measured on sums it was never asked, beside a policy that is rewarded at random.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import flawed_server
import pytest
from j1sdk_openrlhf.cluster import Cluster
from j1sdk_openrlhf.parsers import check_words, installed_version
from j1sdk_openrlhf.policy import OpenRLHFPolicy
from learnt import ALPHA, START, sign_test
from openrlhf_runs import Command, Finished, finish, series, started
from reward_client import metric

from j1sdk import (
    JudgeRewardModel,
    JudgmentFormat,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Transformers,
)
from j1sdk.run import Run, dump_run
from j1sdk.server import Serve

pytestmark = pytest.mark.stack

STEPS, PROMPTS, ROLLOUTS, EPISODES = 16, 16, 8, 2
REQUESTS = STEPS * PROMPTS * ROLLOUTS
LONG = 900.0
"""Seconds for a run on a busy machine."""
MALFORMED = 0.2


class World(NamedTuple):
    """What every run here begins with."""

    folder: Path
    policy: Path
    judge: Path
    guesser: Path
    prompts: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    import torch
    from tiny_policies import checked, forgetful, guessed, sums, teach

    folder = tmp_path_factory.mktemp("policies")
    policy = teach(forgetful, folder / "policy", steps=400, size=32, dtype=torch.bfloat16)
    judge = teach(checked, folder / "judge", steps=250, size=64)
    guesser = teach(guessed, folder / "guesser", steps=80, size=32)
    asked = sums(STEPS * PROMPTS // EPISODES, seed=1, held_out=False)
    lines = [json.dumps({"prompt": one.question, "reference": one.answer}) for one in asked]
    prompts = folder / "prompts.jsonl"
    prompts.write_text("\n".join(lines), encoding="utf-8")
    return World(folder, policy, judge, guesser, prompts)


def judge_of(
    model: Path, format: JudgmentFormat | None = None, **sampling: Any
) -> JudgeRewardModel:
    return JudgeRewardModel(
        format=format or Pointwise(),
        engine=Transformers(model=str(model), device="cpu", batch_size=256),
        sampling=Sampling(max_new_tokens=32, **sampling),
    )


def run_of(world: World, reward: str, judge: JudgeRewardModel | None = None, **o: Any) -> Run:
    train = OpenRLHFPolicy(
        policy=str(world.policy), prompts=world.prompts, reward=reward, learning_rate=5e-4,
        prompts_per_step=PROMPTS, rollouts=ROLLOUTS, max_new_tokens=6, epochs=EPISODES,
        cluster=Cluster(gpus_per_node=1, gpu_memory=0.1, tokens_per_gpu=2048),
        options={"vllm.enforce_eager": True, "actor.lr_warmup_ratio": 0},
    ).model_copy(update=o)  # fmt: skip
    return Run(
        judge=judge or judge_of(world.judge),
        train=train,
        serve=Serve(port=0, unscored="neutral"),
        seed=7,
    )


@contextmanager
def serving(run: Run, file: Path) -> Iterator[str]:
    """`j1 serve`, and its URL."""
    file.write_text(dump_run(run), encoding="utf-8")
    line = [str(Path(sys.executable).with_name("j1")), "serve", str(file)]
    with subprocess.Popen(line, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            told = "".join(process.stdout.readline() for _ in range(6))
            found = re.search(r"--reward.remote_url (http\S+)/get_reward", told)
            assert found, told
            yield found[1]
        finally:
            process.terminate()


def responses(url: str) -> float:
    """How many responses a server has answered for, with a score or without."""
    return metric(url, "j1_scored_total") + metric(url, "j1_unscored_total", reason="judgment")


class Flawed:
    """`flawed_server` in a process of its own, loaded and not yet listening."""

    def __init__(self, port: int, seed: int) -> None:
        words = [sys.executable, str(Path(flawed_server.__file__)), str(port), str(MALFORMED)]
        path = os.pathsep.join((str(Path(flawed_server.__file__).parent), *sys.path))
        self._process = subprocess.Popen(
            [*words, str(seed)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        assert self._say() == "loaded"
        self.url = ""

    def listen(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.url = self._say()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def answered(self) -> float:
        return responses(self.url)

    def is_judging(self) -> bool:
        return metric(self.url, "j1_pending") > 0

    def _say(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def flawed(count: int) -> Iterator[list[Flawed]]:
    """Servers for one port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    servers = [Flawed(port, seed) for seed in range(count)]
    try:
        yield servers
    finally:
        for server in servers:
            server.kill()


class Counted(NamedTuple):
    """A run by a server, and how many requests and scores that server counted."""

    run: Finished
    requests: float
    responses: float


def by_server(world: World) -> Counted:
    served = run_of(world, "function")
    with serving(served, world.folder / "served.toml") as url:
        run = run_of(world, f"{url}/get_reward")
        with started(run, world.folder / "by_server") as command:
            finished = finish(command, LONG)
        requests = metric(url, "j1_requests_total", route="/get_reward", code="200")
        return Counted(finished, requests, responses(url))


def by_file(world: World) -> Finished:
    with started(run_of(world, "function"), world.folder / "by_file") as command:
        return finish(command, LONG)


def by_group(world: World) -> Finished:
    run = run_of(
        world, "group", judge_of(world.guesser, PairwiseVerdict(), temperature=1.0), epochs=1
    )
    with started(run, world.folder / "by_group") as command:
        return finish(command, LONG)


def by_chance(world: World) -> Counted:
    """The control. Its server is killed in mid-run, and another one takes its place."""
    with flawed(2) as (first, second):
        first.listen()
        run = run_of(world, f"{first.url}/get_reward")
        with started(run, world.folder / "by_chance") as command:
            command.until(lambda: first.answered() > 2.5 * PROMPTS * ROLLOUTS, LONG)
            command.until(first.is_judging)
            before = first.answered()
            first.kill()
            second.listen()
            finished = finish(command, LONG)
        return Counted(finished, before, second.answered())


def forsaken(world: World) -> Command:
    """A run whose server does not come back."""
    with flawed(1) as (server,):
        server.listen()
        run = run_of(world, f"{server.url}/get_reward")
        with started(run, world.folder / "forsaken") as command:
            command.until(server.is_judging, LONG)
            server.kill()
            command.end(LONG)
            return command


Arms = dict[Callable[[World], Any], Future[Any]]


@pytest.fixture(scope="module")
def arms(world: World) -> Iterator[Arms]:
    """All runs, two at a time: starting one is mostly waiting."""
    with ThreadPoolExecutor(2) as pool:
        yield {
            arm: pool.submit(arm, world)
            for arm in (by_server, by_file, by_chance, by_group, forsaken)
        }


@pytest.fixture(scope="module")
def held_out(world: World) -> Callable[[Finished], list[bool]]:
    """Whether a policy's answers are right, on all sums that no training has shown.

    All two thousand: a gain of less than a tenth, as some trainings have it, shows on them.
    """
    from tiny_policies import drawn_right, held_out_sums

    asked = held_out_sums()
    return lambda run: drawn_right(run.out / "policy", asked)


@pytest.fixture(scope="module")
def served(arms: Arms) -> Counted:
    made: Counted = arms[by_server].result()
    return made


@pytest.fixture(scope="module")
def filed(arms: Arms) -> Finished:
    made: Finished = arms[by_file].result()
    return made


@pytest.fixture(scope="module")
def control(arms: Arms) -> Counted:
    made: Counted = arms[by_chance].result()
    return made


@pytest.fixture(scope="module")
def grouped(arms: Arms) -> Finished:
    made: Finished = arms[by_group].result()
    return made


@pytest.fixture(scope="module")
def alone(arms: Arms) -> Command:
    made: Command = arms[forsaken].result()
    return made


@pytest.mark.parametrize("arm", ["served", "filed"])
def test_a_policy_learns_from_a_judge_behind_a_server_or_in_a_file(
    arm: str, request: pytest.FixtureRequest, control: Counted,
    held_out: Callable[[Finished], list[bool]], record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    """More than from a reward at random."""
    trained = request.getfixturevalue(arm)
    right = held_out(trained.run if isinstance(trained, Counted) else trained)
    by_chance = held_out(control.run)
    found = sign_test(right, by_chance)
    told = f"start {START}, right at T = 1 {fmean(right):.3f}, control {fmean(by_chance):.3f}"
    record_property("figures", f"{told}; {found}")
    assert found.p < ALPHA


def test_each_response_is_asked_for_once(served: Counted) -> None:
    """Beside the one request that asks, before anything starts, whether the server is there."""
    assert served.responses == REQUESTS and served.requests == REQUESTS + 1


def test_every_step_logs_the_rate_of_the_unscored(filed: Finished) -> None:
    run = filed
    assert series(run, "step") == list(range(1, STEPS + 1))
    assert set(series(run, "rollout/num_samples")) == {PROMPTS * ROLLOUTS}
    for scored, unscored in zip(series(run, "j1/scored"), series(run, "j1/unscored"), strict=True):
        assert unscored < 0.1 and scored + unscored == pytest.approx(1)


def test_what_is_left_is_the_policy_and_a_report(served: Counted, world: World) -> None:
    out = served.run.out
    assert {"policy", "log.json", "report.html", "run.toml"} <= {one.name for one in out.iterdir()}
    assert not (out / "judge").exists() and served.run.left == []
    assert f"Policy: {out / 'policy'}" in served.run.said
    assert (out / "policy" / "model.safetensors").read_bytes() != (
        world.policy / "model.safetensors"
    ).read_bytes()


def test_a_group_is_ranked_whole(grouped: Finished) -> None:
    """Wins and losses in a whole group add up, so that the mean is a half; half a group's may not.

    The judge guesses, and every tenth time says nothing: then there is a stand-in, or fewer wins.
    """
    assert series(grouped, "step") == list(range(1, STEPS // EPISODES + 1))
    assert all(abs(reward - 0.5) < 0.15 for reward in series(grouped, "reward"))
    assert all(apart > 0 for apart in series(grouped, "group_reward_std"))
    assert all(0 <= rate < 0.5 for rate in series(grouped, "j1/unscored"))
    assert all(tokens > 0 for tokens in series(grouped, "j1/tokens"))


def test_a_server_that_is_killed_and_comes_back_is_survived(control: Counted) -> None:
    """As is one that is slow."""
    assert control.requests > 2 * PROMPTS * ROLLOUTS and control.responses > PROMPTS * ROLLOUTS
    assert series(control.run, "step") == list(range(1, STEPS + 1))
    assert all(map(math.isfinite, series(control.run, "reward")))
    log = (control.run.out / "openrlhf.log").read_text(encoding="utf-8")
    assert "Request error, please check" in log, "nobody noticed that it was gone"


def test_nothing_is_scored_that_the_judge_did_not_score(control: Counted) -> None:
    rates = series(control.run, "j1/unscored")
    assert fmean(rates) == pytest.approx(MALFORMED, abs=0.1), "equal responses share a judgment"
    for scored, unscored in zip(series(control.run, "j1/scored"), rates, strict=True):
        assert scored + unscored == pytest.approx(1)


def test_a_server_that_stays_away_ends_the_run_and_is_named(alone: Command) -> None:
    said = " ".join(alone.said.split())
    assert alone.process.returncode == 1 and alone.processes() == []
    assert re.search(
        r"the reward server at http://127.0.0.1:\d+/get_reward no longer answers", said
    )
    assert "OpenRLHF asks five times" in said and "--resume" in said


def test_what_it_becomes_is_what_openrlhf_takes(world: World, tmp_path: Path) -> None:
    for reward in ("function", "group", "http://127.0.0.1:9/get_reward"):
        train = run_of(world, reward).train
        assert isinstance(train, OpenRLHFPolicy)
        plan = train.plan(run_of(world, reward), tmp_path / "out", installed_version())
        check_words(train.program, plan.line)
        assert plan.steps == STEPS
