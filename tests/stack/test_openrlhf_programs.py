"""SFT, DPO and reward modelling are accepted by the installed OpenRLHF, and by DeepSpeed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from j1sdk_openrlhf.deepspeed import DeepSpeedTrainer, Machines
from j1sdk_openrlhf.dpo import OpenRLHFDpo
from j1sdk_openrlhf.parsers import check_words, installed_version
from j1sdk_openrlhf.reward_model import OpenRLHFRewardModel
from j1sdk_openrlhf.sft import OpenRLHFSft
from j1sdk_quickstart.tasks import Arithmetic

from j1sdk import (
    ConfigError,
    DataError,
    JudgeRewardModel,
    PairwiseVerdict,
    Scripted,
    Transformers,
)
from j1sdk.data import Source
from j1sdk.data.jsonl import JsonLines
from j1sdk.run import Run

pytestmark = pytest.mark.stack

Program = type[OpenRLHFSft] | type[OpenRLHFDpo] | type[OpenRLHFRewardModel]
PROGRAMS: tuple[Program, ...] = (OpenRLHFSft, OpenRLHFDpo, OpenRLHFRewardModel)
every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.name)


def run_of(model: Path, train: DeepSpeedTrainer, data: Source | None = None) -> Run:
    engine = Transformers(model=str(model))
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    return Run(judge=judge, data=data or Arithmetic(limit=16), train=train)


def line_of(run: Run, out: Path) -> list[str]:
    assert isinstance(run.train, DeepSpeedTrainer)
    return run.train.plan(run, out, installed_version()).line


def value(line: list[str], flag: str) -> str | None:
    return line[line.index(f"--{flag}") + 1] if f"--{flag}" in line else None


def rows(out: Path) -> list[dict[str, str]]:
    return [json.loads(row) for row in (out / "openrlhf" / "rows.jsonl").read_text().splitlines()]


def pairs(folder: Path, *rows: dict[str, Any]) -> JsonLines:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return JsonLines(path=path)


@every_program
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cluster": Machines(nodes=2, hostfile="/etc/hosts", offload=True, zero_stage=2)},
        {"cluster": Machines(packing=False, attention="sdpa"), "micro_batch": 2, "epochs": 3},
        {"options": {"ds.lora.rank": 16, "eval.dataset": "others.jsonl", "max_norm": 0.5}},
    ],
)
def test_a_run_is_accepted(
    program: Program, options: Any, tiny_model: Path, tmp_path: Path
) -> None:
    train = program(**{"batch_size": 16, **options})
    line = line_of(run_of(tiny_model, train), tmp_path)
    check_words(train.program, line)
    assert value(line, "eval.split") == "train"
    assert not [word for word in line if word.startswith("--actor.")]


def test_steps_are_those_of_all_rows(tiny_model: Path, tmp_path: Path) -> None:
    row = {"prompt": "2+2?", "chosen": "4", "rejected": "5"}
    train = OpenRLHFSft(batch_size=8, epochs=3)
    run = run_of(tiny_model, train, pairs(tmp_path, *[row] * 10))
    assert train.plan(run, tmp_path, installed_version()).steps == 20 * 3 // 8
    assert len(rows(tmp_path)) == 20, "both orders"


@every_program
def test_rows_that_fill_no_step_are_refused(
    program: Program, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="16 rows do not fill a step of 64"):
        line_of(run_of(tiny_model, program()), tmp_path)


@every_program
def test_texts_that_would_be_cut_are_refused_or_left_out(
    program: Program, tiny_model: Path, tmp_path: Path
) -> None:
    short = {"prompt": "2+2?", "chosen": "4", "rejected": "5"}
    data = pairs(tmp_path, short, {**short, "prompt": "2+2? " * 600})
    engine = Transformers(model=str(tiny_model), context=2000)
    one = Machines(gpus_per_node=1)

    def run(**options: Any) -> Run:
        described = run_of(tiny_model, program(batch_size=1, cluster=one, **options), data)
        judge = described.judge.model_copy(update={"engine": engine})
        return described.model_copy(update={"judge": judge})

    with pytest.raises(ConfigError, match=r"of \d examples do not fit.*drop_long"):
        line_of(run(), tmp_path)
    longest = int(value(line_of(run(drop_long=True), tmp_path), "data.max_len") or 0)
    assert longest <= 2000 + 3, "and no less than the limit below which nothing is left out"
    assert all("2+2? 2+2?" not in str(row) for row in rows(tmp_path))


def test_a_batch_that_the_gpus_cannot_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="12, but 8 GPUs take 16 rows at once"):
        OpenRLHFSft(batch_size=12, micro_batch=2)


@pytest.mark.parametrize("program", [OpenRLHFSft, OpenRLHFDpo], ids=lambda one: one.name)
def test_what_cannot_be_trained_is_refused_first(program: Program, tiny_model: Path) -> None:
    run = run_of(tiny_model, program())
    scripted = run.judge.model_copy(update={"engine": Scripted(answers=("x",))})
    with pytest.raises(ConfigError, match=f"{program.name} trains the weights of a model"):
        program().check(run.model_copy(update={"judge": scripted}))
    with pytest.raises(ConfigError, match=r"the run has no \[data\]"):
        program().check(run.model_copy(update={"data": None}))


def test_a_reward_model_takes_every_pair_with_gold(tiny_model: Path, tmp_path: Path) -> None:
    data = pairs(
        tmp_path, {"prompt": "2+2?", "responses": ["5", "4", "<|im_end|>"], "preferred": 1}
    )
    train = OpenRLHFRewardModel(batch_size=1, cluster=Machines(gpus_per_node=1))
    line = line_of(run_of(tiny_model, train, data), tmp_path)
    (first, second) = rows(tmp_path)
    assert first["chosen"] == second["chosen"] and first["chosen"].endswith("4<|im_end|>")
    assert first["rejected"].endswith("5<|im_end|>")
    assert second["rejected"].endswith("< |im_end|><|im_end|>"), "a text, not the end of it"
    assert value(line, "eval.dataset") == value(line, "data.dataset")
    unknown = pairs(tmp_path, {"prompt": "2+2?", "responses": ["5", "4"]})
    with pytest.raises(DataError, match="has no preferred response to learn from"):
        line_of(run_of(tiny_model, train, unknown), tmp_path)


def test_a_path_that_openrlhf_takes_apart_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="OpenRLHF takes a path apart at , and @"):
        line_of(run_of(tiny_model, OpenRLHFSft()), tmp_path / "me@home,now")


class TestStart:
    def test_one_node_takes_its_first_gpus(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        assert OpenRLHFSft().start() == [
            "deepspeed", "--num_gpus", "8", "--module", "openrlhf.cli.train_sft",
        ]  # fmt: skip

    def test_or_those_it_may_see(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6")
        words = OpenRLHFDpo(cluster=Machines(gpus_per_node=2)).start()
        assert words[1:3] == ["--include", "localhost:3,5"]
        with pytest.raises(ConfigError, match="is 8, but CUDA_VISIBLE_DEVICES is 3,5,6"):
            OpenRLHFDpo().start()

    def test_two_runs_on_one_node_do_not_meet(self) -> None:
        one, other = OpenRLHFSft().start("python"), OpenRLHFSft().start("python")
        assert one[:3] == ["python", "-m", "deepspeed.launcher.runner"]
        assert value(one, "master_port") != value(other, "master_port")

    def test_several_nodes_are_named_in_a_file(self) -> None:
        words = OpenRLHFSft(cluster=Machines(nodes=2, hostfile="nodes.txt")).start()
        assert words[1:] == [
            "--hostfile", "nodes.txt", "--num_nodes", "2", "--num_gpus", "8", "--module",
            "openrlhf.cli.train_sft",
        ]  # fmt: skip
        with pytest.raises(ConfigError, match="2 nodes need a hostfile"):
            Machines(nodes=2)

    @pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.name)
    def test_deepspeeds_own_parser_takes_the_words(self, program: Program) -> None:
        runner = pytest.importorskip("deepspeed.launcher.runner")
        machines = Machines(nodes=2, hostfile="nodes.txt", gpus_per_node=4)
        parsed = runner.parse_args([*program(cluster=machines).start()[1:], "--data.max_len", "9"])
        assert (parsed.num_nodes, parsed.num_gpus, parsed.hostfile) == (2, 4, "nodes.txt")
        assert parsed.module and parsed.user_script == f"openrlhf.cli.{program.program}"
        assert parsed.user_args == ["--data.max_len", "9"]
