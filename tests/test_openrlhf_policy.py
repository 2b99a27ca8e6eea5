"""A run that trains a policy by its judge: its rows, its reward, and what is refused at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from j1sdk_openrlhf.base import Written
from j1sdk_openrlhf.launch import launch
from j1sdk_openrlhf.policy import OpenRLHFPolicy
from j1sdk_openrlhf.remote import check_server, is_gone
from j1sdk_openrlhf.trainer import RolloutTrainer
from reward_client import pointwise, sample, scored, until

from j1sdk import (
    ConfigError,
    DataError,
    JudgeRewardModel,
    JudgmentFormat,
    PairwiseVerdict,
    Pointwise,
    Scripted,
)
from j1sdk.adapters import Item
from j1sdk.adapters.openrlhf import items_of
from j1sdk.adapters.texts import Label
from j1sdk.cli import j1
from j1sdk.errors import TrainingError
from j1sdk.report.training import training_report
from j1sdk.run import Run, dump_run, read_run
from j1sdk.server import Serve, served

NEWEST = (0, 11, 2)
SUM = {"prompt": "2+2?", "reference": "4"}
TALK = {"prompt": [{"role": "system", "content": "Short."}, {"role": "user", "content": "Hi"}]}
Rows = list[dict[str, Any]]


def prompts(folder: Path, *lines: Any) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def read(sent: dict[str, Any], options: Serve) -> list[Item]:
    """The items of what OpenRLHF sends."""
    return items_of(sent["query"], sent["prompts"], sent["labels"], options)


@pytest.fixture
def made(tiny_model: Path, tmp_path: Path) -> Any:
    """What a run of these options becomes."""

    def write(
        *lines: Any, form: JudgmentFormat | None = None, serve: Serve | None = None, **options: Any
    ) -> tuple[Written, Rows]:
        train = OpenRLHFPolicy(**{
            "policy": str(tiny_model), "prompts": prompts(tmp_path, *(lines or [SUM, SUM])),
            "prompts_per_step": 2, "max_new_tokens": 10, **options,
        })  # fmt: skip
        judge = JudgeRewardModel(format=form or Pointwise(), engine=Scripted())
        run = Run(judge=judge, train=train, serve=serve)
        train.check(run)
        written = train.write(run, tmp_path / "openrlhf", NEWEST)
        rows = (tmp_path / "openrlhf" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
        return written, [json.loads(row) for row in rows]

    return write


def test_a_row_is_the_prompt_as_rendered_and_as_it_was(made: Any) -> None:
    _, (first, second) = made(SUM, TALK)
    assert first["input"] == "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    assert Label.read(first["label"]) == Label(prompt="2+2?", reference="4")
    assert second["input"].startswith("<|im_start|>system\nShort.<|im_end|>\n")
    assert Label.read(second["label"]) == Label.model_validate(TALK)


def test_the_judge_is_shown_the_rows_prompt_and_not_the_template(made: Any) -> None:
    _, (row, other) = made(SUM, TALK)
    for known, asked in ((row, SUM), (other, TALK)):
        sent = sample("four<|im_end|>", known["input"], known["label"])
        (item,) = read(sent, Serve())
        assert item.prompt == Label.model_validate(asked).prompt
        assert (item.response, item.reference) == ("four", asked.get("reference"))
    sent = sample("four", row["input"], row["label"])
    (item,) = read(sent, Serve(reference="none"))
    assert item.reference is None


@pytest.mark.parametrize("label", ["4", '{"prompt": "x"}', "j1"])
def test_any_other_text_is_a_reference(label: str) -> None:
    (item,) = read(sample("four", "2+2?", label), Serve())
    assert (item.prompt[0].content, item.reference) == ("2+2?", label)


def test_a_damaged_label_is_refused(made: Any) -> None:
    for damaged in ('{"j1":{"prompt": 4}}', '{"j1":{"prompt": "2+', '{"j1":'):
        with pytest.raises(DataError, match="a label that is damaged"):
            read(sample("four", "2+2?", damaged), Serve())


def test_a_label_survives_arrow(made: Any, tmp_path: Path) -> None:
    """Which takes texts for times where all of a column look like one, and merges objects."""
    import datasets

    when = {"prompt": "When?", "reference": "2024-01-01"}
    _, rows = made(when, TALK)
    file, cache = tmp_path / "openrlhf" / "rows.jsonl", tmp_path / "cache"
    read = datasets.load_dataset("json", data_files=str(file), cache_dir=str(cache))["train"]
    assert read["label"][:] == [row["label"] for row in rows]
    assert Label.read(read["label"][0]) == Label.model_validate(when)


def test_a_step_is_so_many_prompts_and_rollouts(made: Any) -> None:
    written, rows = made(*[SUM] * 7, prompts_per_step=3, rollouts=5, epochs=2)
    assert len(rows) == 6 and written.steps == 4
    flags = written.flags
    assert (flags["rollout.batch_size"], flags["rollout.n_samples_per_prompt"]) == (3, 5)
    assert flags["train.batch_size"] == 15 and flags["rollout.max_new_tokens"] == 10


def test_the_context_is_what_the_longest_prompt_needs_unless_given(made: Any) -> None:
    longer = {"prompt": "2" * 50}
    flags = made(SUM, longer)[0].flags
    assert flags["data.max_len"] == made(SUM, SUM)[0].flags["data.max_len"] + 46
    assert made(SUM, SUM, context=300)[0].flags["data.max_len"] == 300
    with pytest.raises(ConfigError, match=r"1 of 2 examples do not fit"):
        made(SUM, longer, context=60)
    _, rows = made(SUM, longer, SUM, context=60, drop_long=True)
    assert len(rows) == 2 and all("2+2" in row["input"] for row in rows)


def test_the_reward_is_a_file_a_group_or_a_server(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "openrlhf"
    shim = Path(made()[0].flags["reward.remote_url"])
    assert shim.parent == folder and str(folder / "run.toml") in shim.read_text(encoding="utf-8")
    grouped = made(reward="group")[0].flags
    assert "reward.remote_url" not in grouped
    executor = Path(grouped["train.agent_func_path"]).read_text(encoding="utf-8")
    assert "openrlhf.ranked import agent_executor" in executor and str(folder) in executor
    url = "http://judge:5000/get_reward?token=x"
    assert made(reward=url)[0].flags["reward.remote_url"] == url


@pytest.mark.parametrize(
    ("reward", "complaint"),
    [
        ("grop", 'should be "function", "group" or the URL'),
        ("ftp://judge", 'should be "function", "group" or the URL'),
        ("http://a/get_reward,http://b/get_reward", "without a comma"),
    ],
)
def test_a_reward_that_is_none_is_refused(reward: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        OpenRLHFPolicy(policy="m", prompts=Path("p.jsonl"), reward=reward)


def test_a_pairwise_judge_needs_something_to_compare_with(made: Any) -> None:
    made(SUM, SUM, form=PairwiseVerdict())
    made(SUM, TALK, form=PairwiseVerdict(), reward="group")
    with pytest.raises(ConfigError, match=r"1 of 2 prompts have no reference.*reward = \"group\""):
        made(SUM, TALK, form=PairwiseVerdict())
    with pytest.raises(ConfigError, match="2 of 2 prompts have no reference"):
        made(SUM, SUM, form=PairwiseVerdict(), serve=Serve(reference="none"))
    with pytest.raises(ConfigError, match="nothing to rank with one rollout"):
        made(form=PairwiseVerdict(), reward="group", rollouts=1)


def test_a_groups_mean_needs_the_group(made: Any) -> None:
    with pytest.raises(ConfigError, match=r"which reward = .function. does not see"):
        made(serve=Serve(unscored="group"))
    made(serve=Serve(unscored="group"), reward="group")


@pytest.mark.parametrize("reward", ["function", "group"])
def test_a_cohort_is_a_servers(made: Any, reward: str) -> None:
    with pytest.raises(ConfigError, match=r"`cohort` of .serve. makes a server wait"):
        made(form=PairwiseVerdict(), serve=Serve(cohort=8), reward=reward)
    made(form=PairwiseVerdict(), serve=Serve(cohort=8), reward="http://judge:5000/get_reward")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"question": "2+2?"}, "line 2: prompt: Field required"),
        ({"prompt": []}, "line 2: prompt"),
        ({"prompt": "2+2?", "reference": 4}, "line 2: reference"),
    ],
)
def test_a_line_that_is_no_prompt_is_named(made: Any, line: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        made({**SUM, "id": 7}, line)


def test_too_few_prompts_are_refused(made: Any) -> None:
    with pytest.raises(ConfigError, match="lower prompts_per_step"):
        made(SUM, SUM, prompts_per_step=3)


RUN = """
[judge]
format = "pairwise-verdict"
engine = {{ name = "openai", model = "judge", base_url = "http://localhost:9/v1" }}

[serve]
unscored = "neutral"

[train]
name = "openrlhf-policy"
policy = "{policy}"
prompts = "prompts.jsonl"
reward = "{reward}"
"""


def test_the_run_file_has_paths_of_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "warm").mkdir()
    path = tmp_path / "policy.toml"
    path.write_text(RUN.format(policy="warm", reward="group"), encoding="utf-8")
    train = read_run(path).train
    assert isinstance(train, OpenRLHFPolicy)
    assert train.prompts == tmp_path / "prompts.jsonl" and train.policy == str(tmp_path / "warm")
    path.write_text(RUN.format(policy="Qwen/Qwen3-8B", reward="group"), encoding="utf-8")
    again = read_run(path)
    assert isinstance(again.train, OpenRLHFPolicy) and again.train.policy == "Qwen/Qwen3-8B"
    path.write_text(dump_run(again), encoding="utf-8")
    assert read_run(path) == again


@pytest.fixture
def url() -> Iterator[str]:
    with served(pointwise(scored(7.0)), Serve(port=0)) as server:
        yield server.url


def test_a_server_is_asked_and_scores_nothing(url: str) -> None:
    check_server(f"{url}/get_reward")
    assert not is_gone(f"{url}/get_reward")


def test_a_server_that_would_refuse_is_refused(url: str, monkeypatch: Any) -> None:
    with pytest.raises(ConfigError, match=r"refuses to score .HTTP 404"):
        check_server(f"{url}/reward")
    monkeypatch.setenv("JUDGE_TOKEN", "secret")
    with served(pointwise(scored(7.0)), Serve(port=0, token_env="JUDGE_TOKEN")) as server:
        with pytest.raises(ConfigError, match=r"refuses to score .HTTP 401.*with its token"):
            check_server(f"{server.url}/get_reward")
        check_server(f"{server.url}/get_reward?token=secret")
        check_server(f"{server.url.replace('//', '//j1:secret@')}/get_reward")


def closed() -> str:
    """The address of a server that is not there any more."""
    with served(pointwise(scored(7.0)), Serve(port=0)) as server:
        return f"{server.url}/get_reward"


def test_a_server_that_is_not_there_is_found_before_anything_starts(tmp_path: Path) -> None:
    address = closed()
    assert is_gone(address)
    path = tmp_path / "policy.toml"
    path.write_text(RUN.format(policy="no-such-model", reward=address), encoding="utf-8")
    words = ["train", str(path), "--out", str(tmp_path / "out")]
    error = CliRunner().invoke(j1, words).exception
    assert isinstance(error, ConfigError)
    assert str(error).startswith(f"no reward server answers at {address}")
    assert not (tmp_path / "out").exists()


def test_a_run_whose_server_has_gone_says_so(monkeypatch: Any, tmp_path: Path) -> None:
    """Whatever OpenRLHF itself complains of then, which names no server."""
    with served(pointwise(scored(7.0)), Serve(port=0)) as server:
        address = f"{server.url}/get_reward"
        train = OpenRLHFPolicy(policy="m", prompts=tmp_path / "p.jsonl", reward=address)

        def ended(*_: Any, **__: Any) -> Any:
            server.close()
            until(lambda: is_gone(address))
            launch(
                ["sh", "-c", "echo ValueError: no rewards; exit 1"], tmp_path / "log", lambda: None
            )

        monkeypatch.setattr(RolloutTrainer, "train", ended)
        with pytest.raises(TrainingError) as caught:
            train.train(Run(judge=pointwise(scored(7.0)), train=train), tmp_path / "out")
    told = str(caught.value)
    assert told.startswith(f"the reward server at {address} no longer answers")
    assert "five times" in told and "--resume" in told and "ValueError: no rewards" in told


def test_a_run_that_failed_for_another_reason_does_not_blame_the_server(
    url: str, monkeypatch: Any, tmp_path: Path
) -> None:
    train = OpenRLHFPolicy(
        policy="m", prompts=tmp_path / "p.jsonl", reward=f"{url}/get_reward"
    )  # fmt: skip

    def ended(*_: Any, **__: Any) -> Any:
        raise TrainingError("out of memory")

    monkeypatch.setattr(RolloutTrainer, "train", ended)
    with pytest.raises(TrainingError, match=r"^out of memory$"):
        train.train(Run(judge=pointwise(scored(7.0)), train=train), tmp_path / "out")


def ended(script: str, log: Path) -> str:
    """What is said of an OpenRLHF that does this."""
    with pytest.raises(TrainingError) as caught:
        launch(["sh", "-c", script], log, lambda: None)
    return str(caught.value)


def test_the_last_words_tell_why_there_was_no_reward(tmp_path: Path) -> None:
    said = (
        "(Rollout pid=7) [SingleTurnExecutor] Failed to fetch reward from remote RM: 1 of 1"
        " responses could not be scored\\nValueError: reward_model_group is required"
    )
    told = "a sample had no reward: 1 of 1 responses could not be scored"
    assert ended(f"printf '{said}'; exit 1", tmp_path / "log").endswith(told)
    assert told not in ended("exit 1", tmp_path / "log"), "that was another start's"


def test_the_record_is_beside_the_policy_which_is_no_judge(tmp_path: Path) -> None:
    train = OpenRLHFPolicy(policy="m", prompts=tmp_path / "p.jsonl")
    run = Run(judge=JudgeRewardModel(format=Pointwise(), engine=Scripted()), train=train)
    (tmp_path / "policy").mkdir()
    train.record(run, tmp_path / "policy")
    assert "j1sdk" in read_run(tmp_path / "run.toml").made_with
    with pytest.raises(ConfigError, match="is not a saved judge"):
        JudgeRewardModel.load(tmp_path / "policy")


def test_the_report_is_of_a_policy_and_has_the_rate_of_the_unscored(tmp_path: Path) -> None:
    train = OpenRLHFPolicy(policy="m", prompts=tmp_path / "p.jsonl")
    run = Run(judge=JudgeRewardModel(format=Pointwise(), engine=Scripted()), train=train)
    report = training_report(run, [{"step": 1, "reward": 0.5, "j1/unscored": 0.25}])
    assert report.title == "Training a policy by a pointwise judge (openrlhf-policy)"
    assert "Responses without a score" in [block.title for block in report.blocks]
