"""A judge as a plugin of the real verifiers: its own loader loads it, its own task scores by it."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from absent import without
from click.testing import CliRunner
from connected import ConnectedContract
from exported import ALONE, ROLLOUTS, TOGETHER, by_trl, ids_of, recorded, run_file
from j1sdk_verifiers.adapter import Verifiers
from pages import blocks, section
from transformers import AutoTokenizer

from j1sdk import ConfigError, PairwiseScores, Pointwise
from j1sdk.adapters import Adapter
from j1sdk.cli import j1
from j1sdk.run import read_run
from j1sdk.server import Serve, served
from j1sdk.testing import Row, judge_by_rule, worth

without("prime_sandboxes", "prime_tunnel", "prime_runs", "connectrpc", "opentelemetry")
without("httpcore", "math_verify", "latex2sympy2_extended", "mcp")

import verifiers.v1 as vf  # noqa: E402
from verifiers.v1.configs.judge import resolve_judges  # noqa: E402
from verifiers.v1.graph import MessageNode  # noqa: E402
from verifiers.v1.task import Task, TaskData  # noqa: E402
from verifiers.v1.trace import ModelCall, Trace, TraceTask  # noqa: E402
from verifiers.v1.types import AssistantMessage  # noqa: E402
from verifiers.v1.utils.loaders import load_taskset  # noqa: E402


class Question(TaskData):  # type: ignore[misc] # verifiers is not typed
    """A task with a reference answer."""

    answer: str = ""


class Asked(Task[Question, vf.State]):  # type: ignore[misc] # verifiers is not typed
    """Scored by nothing but what is plugged in."""


def printed(url: str, folder: Path, *settings: str) -> list[dict[str, Any]]:
    """The entries that `j1 connect` prints."""
    words = ["connect", "verifiers", "--url", url, "--to", str(folder)]
    for setting in settings:
        words += ["--set", setting]
    result = CliRunner().invoke(j1, words)
    assert result.exit_code == 0, result.output
    judges: list[dict[str, Any]] = tomllib.loads(result.stdout)["judges"]
    return judges


def rollout(judges: Sequence[dict[str, Any]], row: Row) -> Any:
    """The trace of a rollout that verifiers has scored, or tried to."""
    task = Asked(
        Question(prompt=row.prompt, answer=row.reference or ""),
        Asked.config_type()(judges=resolve_judges(judges)),
    )
    trace = Trace.model_construct(
        task=TraceTask(type="Asked", data=task.data),
        **{"agent": None, "rewards": {}, "metrics": {}, "nodes": [], "calls": [], "errors": []},
        **{"extra_usage": [], "info": {}, "root_reply": row.response},
    )
    try:
        asyncio.run(task.score(trace))
    except vf.TaskError as error:
        trace.record_error(error)
    return trace


def rewards(judges: Sequence[dict[str, Any]], rows: Sequence[Row]) -> list[float | None]:
    """Verifiers' own reward of each; None where it errored and has none."""
    made = []
    for row in rows:
        trace = rollout(judges, row)
        reward = trace.rewards["j1"]
        assert bool(trace.errors) == (reward is None)
        made.append(None if reward is None else reward.score)
    return made


class TestVerifiers(ConnectedContract):
    component = Verifiers()
    grouped = False

    def connected(self, adapter: Adapter, file: Path, rows: Sequence[Row]) -> list[float | None]:
        return rewards(tomllib.loads(adapter.instructions(file).paste)["judges"], rows)


def test_a_failure_leaves_no_reward_and_is_counted(tmp_path: Path) -> None:
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        judges = printed(server.url, tmp_path)
        good, failed = (rollout(judges, row) for row in worth(7, "?"))
    assert good.rewards["j1"].score == 0.7 and good.metrics == {"j1/unscored": 0.0}
    assert failed.rewards["j1"] is None and failed.metrics == {"j1/unscored": 1.0}
    assert "no score" in failed.errors[0].message


def test_a_pairwise_judge_compares_with_the_tasks_answer(tmp_path: Path) -> None:
    rows = [Row(f"It is worth {value}.", reference="It is worth 4.") for value in (3, 4, 9)]
    with served(judge_by_rule(PairwiseScores()), Serve(port=0)) as server:
        judges = printed(server.url, tmp_path, "adapter.answer_field=answer")
        assert rewards(judges, rows) == [0.0, 0.5, 1.0]


def test_a_field_that_is_not_there_is_named(tmp_path: Path) -> None:
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        trace = rollout(printed(server.url, tmp_path, "adapter.answer_field=gold"), worth(7)[0])
    assert "no field 'gold'" in trace.errors[0].message


def test_a_dead_server_is_no_reward(tmp_path: Path) -> None:
    judges = printed("http://127.0.0.1:1", tmp_path, "adapter.deadline=0.5")
    assert rewards(judges, worth(7)) == [None]


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    (shown,) = blocks(section("frameworks", "verifiers"), "console")
    command, _, entry = shown.partition("\n")
    assert command.startswith("$ j1 connect verifiers ")
    assert tomllib.loads(entry)["judges"][0].keys() == printed("http://x", tmp_path)[0].keys()


def test_a_judge_is_trained_by_the_rewards_that_trl_has(tmp_path: Path, tiny_model: Path) -> None:
    """By verifiers' own loader and scoring; a thousand rollouts."""
    file = run_file(tiny_model, tmp_path, ALONE)
    words = ["export", str(file), "--for", "verifiers", "--to", str(tmp_path / "out")]
    result = CliRunner().invoke(j1, words)
    assert result.exit_code == 0, result.output
    options = tomllib.loads(result.stdout)["env"]["taskset"]
    taskset = load_taskset(vf.EnvConfig(taskset=options).taskset)
    tasks = [task for task in taskset for _ in range(ROLLOUTS)]
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    texts = recorded(len(tasks))
    ids = [ids_of(tokenizer, text) for text in texts]
    traces = [written(task, tokenizer, one) for task, one in zip(tasks, ids, strict=True)]

    async def scored() -> None:
        for task, trace in zip(tasks, traces, strict=True):
            await task.score(trace)

    asyncio.run(scored())
    rewards = [trace.rewards["j1"].score for trace in traces]
    assert rewards == pytest.approx(by_trl(read_run(file), tmp_path, ids))
    names = {"j1/verdict-correctness", "j1/format-adherence", "j1/unread"}
    assert all(set(trace.metrics) == names for trace in traces)


def written(task: Any, tokenizer: Any, ids: list[int]) -> Any:
    """The trace of a rollout, as verifiers has it of a server that parses thinking away."""
    ended = ids[-1] == tokenizer.eos_token_id
    text = tokenizer.decode(ids[:-1] if ended else ids)
    before, closed, after = text.partition("</think>")
    thinks = text.startswith("<think>")
    message = AssistantMessage(
        content=(after if closed else None) if thinks else text,
        reasoning_content=before.removeprefix("<think>") if thinks else None,
    )
    trace = Trace.model_construct(
        task=TraceTask(type="Judgment", data=task.data),
        **{"agent": None, "rewards": {}, "metrics": {}, "errors": [], "extra_usage": []},
        **{"info": {}, "root_reply": None, "nodes": [MessageNode(message=message, sampled=True)]},
        calls=[ModelCall.model_construct(finish_reason="stop" if ended else "length", error=None)],
        stop_condition=None,
    )
    return trace


def test_a_reward_that_compares_orders_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    file = run_file(tiny_model, tmp_path, TOGETHER, tasks=5)
    words = ["export", str(file), "--for", "verifiers", "--to", str(tmp_path / "out")]
    result = CliRunner().invoke(j1, words)
    assert isinstance(result.exception, ConfigError) and "both orders" in str(result.exception)


def test_the_page_on_training_shows_what_is_printed(tmp_path: Path, tiny_model: Path) -> None:
    (_, shown) = blocks(section("training", "In another framework"), "console")
    file = run_file(tiny_model, tmp_path, ALONE, tasks=5)
    command, _, printed = shown.partition("\n")
    words = command.replace("judge.toml", str(file)).replace("conf", str(tmp_path / "conf")).split()
    assert CliRunner().invoke(j1, words[2:]).stdout.replace(f"{tmp_path}/", "") == printed
