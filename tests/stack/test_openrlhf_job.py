"""A job for a Ray cluster: Ray's own command takes the words, and a job's shell gets them back."""

from __future__ import annotations

import json
import os
import random
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from j1sdk_openrlhf.cluster import Cluster
from j1sdk_openrlhf.job import RAY, Job, carried
from j1sdk_openrlhf.launch import end_group, launch
from j1sdk_openrlhf.parsers import check_words, installed_version
from j1sdk_openrlhf.trainer import OpenRLHF
from j1sdk_quickstart.tasks import Arithmetic
from reward_client import until

from j1sdk import ConfigError, JudgeRewardModel, PairwiseVerdict, Transformers
from j1sdk.errors import TrainingError
from j1sdk.run import Run, build_run

pytestmark = pytest.mark.stack

JOB = Job(address="http://head:8265", environment={"NCCL_DEBUG": "INFO", "GREETING": "it's $5"})


def submitted(words: list[str]) -> tuple[dict[str, object], str]:
    """Ray's options and what it gives to the job's shell, by Ray's own command line."""
    cli = pytest.importorskip("ray.dashboard.modules.job.cli")
    assert words[:3] == ["ray", "job", "submit"]
    params = cli.submit.make_context("submit", words[3:]).params
    return params, cli.list2cmdline(params["entrypoint"])


def test_ray_takes_the_command(tiny_model: Path, tmp_path: Path) -> None:
    engine = Transformers(model=str(tiny_model))
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    train = OpenRLHF(tasks_per_step=4, cluster=Cluster(job=JOB), python="/envs/rl/bin/python")
    run = Run(judge=judge, data=Arithmetic(limit=4), train=train)
    line = train.plan(run, tmp_path / "it's here", installed_version()).line
    check_words(train.program, line)
    typed = shlex.join(train.command(line))
    params, entrypoint = submitted(shlex.split(typed))
    assert params["address"] == "http://head:8265"
    assert json.loads(str(params["runtime_env_json"])) == {"env_vars": JOB.environment}
    start = ["/envs/rl/bin/python", "-m", "openrlhf.cli.train_ppo_ray"]
    assert shlex.split(entrypoint) == [*start, *line]
    assert str(tmp_path / "it's here" / "openrlhf" / "rows.jsonl") in line, "whole paths"


def test_a_word_arrives_or_is_refused() -> None:
    generator, arrived = random.Random(0), 0
    for _ in range(200):
        word = "x" + "".join(generator.choices("ab $`'\"\\;{}*~#&|<>()\t\n!=", k=4))
        try:
            given = carried(word)
        except ConfigError:
            continue
        shell = f"printf %s {subprocess.list2cmdline([given])}"
        assert subprocess.run(shell, shell=True, capture_output=True, text=True).stdout == word
        arrived += 1
    assert arrived > 100
    for word in ("", "plain", "two words", "{}", "it's", "$HOME"):
        (back,) = shlex.split(subprocess.list2cmdline([carried(word)]))
        assert back == word
    with pytest.raises(ConfigError, match="cannot carry '\\$5 or so'"):
        carried("$5 or so")


def test_a_job_without_an_environment_says_nothing_of_one() -> None:
    words = Job(address="http://head:8265").submission(["python"])
    assert words == ["job", "submit", "--address=http://head:8265", "--", "python"]
    folder = Job(address="http://head:8265", working_dir="/here").submission(["python"])
    assert '--runtime-env-json={"working_dir": "/here"}' in folder


def test_a_run_file_describes_it() -> None:
    described = {
        "judge": {"format": "pairwise-verdict", "engine": "scripted"},
        "train": {"name": "openrlhf", "cluster": {"job": {"address": "http://head:8265"}}},
    }
    train = build_run(described).train
    assert isinstance(train, OpenRLHF) and train.cluster.job == Job(address="http://head:8265")
    with pytest.raises(ConfigError, match="pattern"):
        Job(address="head:8265")


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """The address of a cluster of its own, which takes jobs."""
    sdk = pytest.importorskip("ray.job_submission")
    port, dashboard, agent, client, metrics = free_ports(5)
    address = f"http://127.0.0.1:{dashboard}"
    with tempfile.TemporaryDirectory(prefix="j1", ignore_cleanup_errors=True) as folder:
        words = [
            *("--head", "--block", f"--port={port}", "--num-cpus=2", f"--temp-dir={folder}"),
            *("--include-dashboard=true", "--dashboard-host=127.0.0.1"),
            *(f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}"),
            *(f"--ray-client-server-port={client}", f"--metrics-export-port={metrics}"),
            "--object-store-memory=100000000",
        ]
        said = Path(folder, "said")
        with said.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", RAY, "start", *words], env={**os.environ, **PATIENT},
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

        def ready() -> bool:
            assert process.poll() is None, said.read_text()
            return takes_jobs(sdk, address)

        try:
            until(ready, seconds=300)
            yield address
        finally:
            end_group(process)


PATIENT = {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": "300",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_memory_monitor_refresh_ms": "0",
}


def free_ports(number: int) -> list[int]:
    with ExitStack() as opened:
        listeners = [opened.enter_context(socket.socket()) for _ in range(number)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


def takes_jobs(sdk: Any, address: str) -> bool:
    try:
        sdk.JobSubmissionClient(address).submit_job(entrypoint="true")
    except (ConnectionError, RuntimeError):
        return False
    return True


def statuses(address: str) -> dict[str, str]:
    sdk = pytest.importorskip("ray.job_submission")
    jobs = sdk.JobSubmissionClient(address).list_jobs()
    return {job.submission_id: job.status.value for job in jobs}


TELL = "import os, sys, time; print(os.environ['GREETING'], sys.argv[1:], flush=True);"


def test_a_job_is_followed_to_its_end(head: str, tmp_path: Path) -> None:
    job, log = JOB.model_copy(update={"address": head}), tmp_path / "log"
    with job.submitted(["python", "-c", TELL, "two words", "it's", "{}"]) as command:
        launch(command, log, lambda: None)
    assert "it's $5 ['two words', \"it's\", '{}']" in log.read_text()
    assert statuses(head)[name_of(command)] == "SUCCEEDED"
    failing = ["python", "-c", "raise SystemExit('no more')"]
    with pytest.raises(TrainingError, match="no more"), job.submitted(failing) as command:
        launch(command, log, lambda: None)
    assert statuses(head)[name_of(command)] == "FAILED"


def test_a_job_that_is_no_longer_followed_is_stopped(head: str, tmp_path: Path) -> None:
    job, log = JOB.model_copy(update={"address": head}), tmp_path / "log"

    def watch() -> None:
        if "['x']" in log.read_text():
            raise KeyboardInterrupt

    sleeper = ["python", "-c", TELL + " time.sleep(600)", "x"]
    with pytest.raises(KeyboardInterrupt), job.submitted(sleeper) as command:
        launch(command, log, watch)
    assert statuses(head)[name_of(command)] == "STOPPED"


def name_of(command: list[str]) -> str:
    (word,) = (word for word in command if word.startswith("--submission-id="))
    return word.partition("=")[2]
