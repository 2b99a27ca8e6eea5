"""The file that makes a judge OpenRLHF's reward: floats, constant keys, no number made up."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from j1sdk_openrlhf.reward_file import openrlhf_reward_function, write_shim

from j1sdk import (
    Completion,
    ConfigError,
    Conversation,
    Engine,
    JudgeRewardModel,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    UnscoredError,
)
from j1sdk import builtins as ours
from j1sdk.catalogue import Catalogue
from j1sdk.cli import j1
from j1sdk.errors import J1Error
from j1sdk.hookspecs import hookimpl
from j1sdk.run import Run, dump_run
from j1sdk.server import Serve

PROMPT = "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"


class Counting(Engine):
    """Scores a response by how often it says four; what says nothing it does not score."""

    name = "counting"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        text = conversation[-1].content
        if "silence" in text:
            return Completion(text="hm")
        if "[[A]]" in text:
            better = text.index("four") < text.index("five")
            return Completion(text=PairwiseVerdict().write((1.0, 0.0) if better else (0.0, 1.0)))
        return Completion(text=Pointwise().write((float(min(text.count("four"), 10)),)))


@pytest.fixture(autouse=True)
def _with_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plugin:
        @hookimpl
        def engines(self) -> list[type[Engine]]:
            return [Counting]

    found = Catalogue.of(ours, Plugin())
    monkeypatch.setattr("j1sdk.runfile.catalogue", lambda: found)


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., Path]:
    def write(form: Any = None, **serve: Any) -> Path:
        path = tmp_path / "judge.toml"
        model = JudgeRewardModel(format=form or Pointwise(), engine=Counting())
        path.write_text(dump_run(Run(judge=model, serve=Serve(**serve))), encoding="utf-8")
        return path

    return write


def reward(function: Any, response: str, label: Any = "") -> dict[str, Any]:
    """As OpenRLHF calls it: positional, lists of one, special tokens kept."""
    answer = function([f"{PROMPT}{response}<|im_end|>"], [PROMPT], [label])
    assert isinstance(answer, dict)
    return answer


def test_a_response_gets_its_score(judge: Callable[..., Path]) -> None:
    answer = reward(openrlhf_reward_function(judge()), "four four")
    assert answer["rewards"] == answer["scores"] == [0.2]
    assert answer["extra_logs"] == {
        "j1/scored": [1.0], "j1/unscored": [0.0], "j1/tokens": [pytest.approx(0.0)],
    }  # fmt: skip


def test_a_pairwise_judge_compares_with_the_label(judge: Callable[..., Path]) -> None:
    function = openrlhf_reward_function(judge(PairwiseVerdict()))
    assert reward(function, "four", "five")["rewards"] == [1.0]
    assert reward(function, "five", "four")["rewards"] == [0.0]


@pytest.mark.parametrize(("policy", "number"), [("neutral", 0.5), ("floor", 0.0)])
def test_what_has_no_score_is_settled_and_counted(
    judge: Callable[..., Path], policy: str, number: float
) -> None:
    answer = reward(openrlhf_reward_function(judge(unscored=policy)), "silence")
    assert answer["rewards"] == [number]
    assert answer["extra_logs"]["j1/unscored"] == [1.0]


def test_by_default_no_number_is_made_up(judge: Callable[..., Path]) -> None:
    with pytest.raises(UnscoredError, match="1 of 1 responses could not be scored"):
        reward(openrlhf_reward_function(judge()), "silence")


def test_keys_and_types_never_vary(judge: Callable[..., Path]) -> None:
    function = openrlhf_reward_function(judge(unscored="neutral"))
    answers = [reward(function, text) for text in ("four", "silence", "", "four " * 40)]
    assert len({tuple(sorted(answer["extra_logs"])) for answer in answers}) == 1
    for answer in answers:
        for numbers in (answer["rewards"], answer["scores"], *answer["extra_logs"].values()):
            assert [type(number) for number in numbers] == [float]


def test_many_threads_at_once_are_answered_each_with_its_own(judge: Callable[..., Path]) -> None:
    function = openrlhf_reward_function(judge())
    found: dict[int, float] = {}

    def ask(count: int) -> None:
        found[count] = reward(function, "four " * count)["rewards"][0]

    threads = [threading.Thread(target=ask, args=(count,)) for count in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {count: pytest.approx(count / 10) for count in range(10)}


def test_the_written_file_is_what_openrlhf_loads(
    judge: Callable[..., Path], tmp_path: Path
) -> None:
    shim = tmp_path / "reward_func.py"
    write_shim(judge(), shim)
    spec = importlib.util.spec_from_file_location("reward_func", shim)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # not in sys.modules, as OpenRLHF does it
    assert reward(module.reward_func, "four")["rewards"] == [0.1]


def test_the_command_writes_it_and_says_how_to_use_it(
    judge: Callable[..., Path], tmp_path: Path
) -> None:
    words = ["openrlhf", "reward", str(judge()), "--to", str(tmp_path / "r.py")]
    result = CliRunner().invoke(j1, words, env={"COLUMNS": "300"}, catch_exceptions=False)
    assert result.output.strip() == f"--reward.remote_url {tmp_path / 'r.py'}"
    assert str(tmp_path / "judge.toml") in (tmp_path / "r.py").read_text(encoding="utf-8")


def test_a_judge_that_is_none_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    words = ["openrlhf", "reward", str(tmp_path / "no.toml"), "--to", str(tmp_path / "r.py")]
    assert isinstance(CliRunner().invoke(j1, words).exception, ConfigError)
    assert not (tmp_path / "r.py").exists()


@pytest.mark.parametrize("command", ["command", "check"])
def test_a_run_for_another_trainer_is_refused(
    judge: Callable[..., Path], command: str, tmp_path: Path
) -> None:
    words = ["openrlhf", command, str(judge()), "--out", str(tmp_path / "out")]
    error = CliRunner().invoke(j1, words).exception
    assert isinstance(error, J1Error) and 'set name = "openrlhf"' in str(error)
    assert not (tmp_path / "out").exists()
