"""What a run becomes for OpenRLHF is accepted by the installed OpenRLHF's own parser and checks."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from j1sdk_openrlhf.base import OpenRLHFTrainer
from j1sdk_openrlhf.cluster import Cluster
from j1sdk_openrlhf.flags import OLDEST, correction_flags, version_of, words
from j1sdk_openrlhf.parsers import check_words, installed_version, parser_of
from j1sdk_openrlhf.plans import Planned, plans
from j1sdk_openrlhf.trainer import OpenRLHF
from j1sdk_quickstart.tasks import Arithmetic
from tiny_recipes import write_pairs

from j1sdk import (
    ConfigError,
    JudgeRewardModel,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Transformers,
)
from j1sdk.cli import j1
from j1sdk.data.jsonl import JsonLines
from j1sdk.rewards.score_ordering import ScoreOrdering
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run, read_run
from j1sdk.training.multitask import Assignment

pytestmark = pytest.mark.stack
RECIPES = Path(__file__).parents[2] / "examples" / "recipes"


def run_of(model: Path, **options: Any) -> Run:
    judge = JudgeRewardModel(
        format=options.pop("format", PairwiseVerdict()),
        engine=Transformers(model=str(model)),
        sampling=Sampling(max_new_tokens=64),
    )
    data = options.pop("data", Arithmetic(limit=16))
    return Run(judge=judge, data=data, train=OpenRLHF(**{"tasks_per_step": 4, **options}))


def line_of(run: Run, out: Path) -> list[str]:
    assert isinstance(run.train, OpenRLHF)
    return run.train.plan(run, out, installed_version()).line


def value(line: list[str], flag: str) -> str | None:
    return line[line.index(f"--{flag}") + 1] if f"--{flag}" in line else None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kl": 0.01, "estimator": "rloo", "correction": "seq"},
        {"estimator": "dr_grpo", "correction": "off"},
        {"cluster": Cluster(asynchronous=True, engines=4)},
        {"tasks_per_step": 8, "cluster": Cluster(nodes=8, tensor_parallel=8, offload=True)},
        {"options": {"actor.max_norm": 0.5, "actor.eps_clip_low_high": (0.2, 0.28)}},
    ],
)  # fmt: skip
def test_a_run_is_accepted(options: Any, tiny_model: Path, tmp_path: Path) -> None:
    check_words(OpenRLHF.program, line_of(run_of(tiny_model, **options), tmp_path))


@pytest.mark.parametrize("name", ["j1_8b", "j1_32b", "j1_70b"])
def test_the_papers_runs_are_accepted(name: str, tiny_model: Path, tmp_path: Path) -> None:
    """With a model and pairs that are there; the rest as it is."""
    run = read_run(RECIPES / f"{name}.toml")
    engine = Transformers(model=str(tiny_model), context=8192)
    judge = run.judge.model_copy(update={"engine": engine})
    run = run.model_copy(update={"judge": judge, "data": Arithmetic(limit=512)})
    line = line_of(run, tmp_path)
    check_words(OpenRLHF.program, line)
    assert value(line, "rollout.n_samples_per_prompt") == "10"
    assert value(line, "train.batch_size") == "2560"
    assert value(line, "data.max_len") == "8192"


def of_openrlhf(recipe: Path) -> bool:
    return 'name = "openrlhf' in recipe.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "recipe", sorted(filter(of_openrlhf, RECIPES.glob("*.toml"))), ids=lambda path: path.stem
)
def test_recipes_are_accepted(recipe: Path, tiny_model: Path, tmp_path: Path) -> None:
    """With a model and pairs that are there; the rest, their own options too, as it is."""
    run = read_run(recipe)
    assert run.train is not None
    write_pairs(tmp_path / "pairs.jsonl", 1024, seed=1)
    engine = Transformers(model=str(tiny_model), context=100_000)
    judge = run.judge.model_copy(update={"engine": engine})
    data = JsonLines(path=tmp_path / "pairs.jsonl")
    for part in run.train.parts:
        train = part.model_copy(update={"data": None})
        asked = run.model_copy(update={"judge": judge, "data": data, "train": train})
        for one in plans(asked, tmp_path) if isinstance(part, OpenRLHFTrainer) else ():
            assert isinstance(one, Planned)
            check_words(one.trainer.program, one.plan.line)


CHAIN = """
[judge]
format = "pairwise-verdict"
engine = {{ name = "transformers", model = "{model}", context = 4096 }}
sampling = {{ max_new_tokens = 64 }}

[data]
name = "arithmetic"
limit = 128

[[train]]
name = "openrlhf-sft"
batch_size = 16

[[train]]
name = "rejection-sft"
samples = 2

[[train]]
name = "openrlhf-dpo"
batch_size = 16

[[train]]
name = "openrlhf"
tasks_per_step = 16
"""


def test_of_a_chain_each_phase_is_a_command(tiny_model: Path, tmp_path: Path) -> None:
    """Each starts from the weights that the one before it leaves."""
    file, out = tmp_path / "run.toml", tmp_path / "out"
    file.write_text(CHAIN.format(model=tiny_model), encoding="utf-8")
    asked = ["openrlhf", "command", str(file), "--out", str(out)]
    told = CliRunner().invoke(j1, asked, catch_exceptions=False).stdout.splitlines()
    assert [line for line in told if line.startswith("#")] == [
        "# 1-openrlhf-sft", "# 2-rejection-sft is not OpenRLHF's: j1 train runs it",
        "# 3-openrlhf-dpo", "# 4-openrlhf",
    ]  # fmt: skip
    sft, dpo, grpo = (shlex.split(line) for line in told if not line.startswith("#"))
    assert value(sft, "model.model_name_or_path") == str(tiny_model)
    assert value(dpo, "model.model_name_or_path") == str(out / "2-rejection-sft" / "judge")
    assert value(grpo, "actor.model_name_or_path") == value(dpo, "ckpt.output_dir")
    asked[1] = "check"
    shown = CliRunner().invoke(j1, asked, catch_exceptions=False).stdout
    assert shown.count("takes it") == 3 and "2-rejection-sft: not OpenRLHF's" in shown


def test_sizes_count_both_orders(tiny_model: Path, tmp_path: Path) -> None:
    run = run_of(tiny_model, rollouts=3, rewards=(VerdictConsistency(),))
    line = line_of(run, tmp_path)
    assert value(line, "rollout.n_samples_per_prompt") == "6"
    assert (value(line, "rollout.batch_size"), value(line, "train.batch_size")) == ("4", "24")
    assert value(line, "rollout.max_new_tokens") == "64"
    assert isinstance(run.train, OpenRLHF)
    assert run.train.plan(run, tmp_path, installed_version()).steps == 4


def test_without_a_penalty_there_is_no_reference_model(tiny_model: Path, tmp_path: Path) -> None:
    line = line_of(run_of(tiny_model), tmp_path)
    assert value(line, "algo.kl.init_coef") == "0" and "--ref.num_nodes" not in line
    line = line_of(run_of(tiny_model, kl=0.01), tmp_path)
    assert value(line, "algo.kl.estimator") == "k3" and "--algo.kl.use_loss" in line


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"actor.max_nrom": 1}, r"no option --actor.max_nrom; did you mean '--actor.max_norm'"),
        ({"train.batch_size": "many"}, r"invalid int value: 'many'"),
        ({"actor.eps_clip_low_high": (0.2,)}, "expected 2 arguments"),
        ({"rollout.n_samples_per_prompt": 1}, "n_samples_per_prompt > 1"),
    ],
)
def test_what_openrlhf_would_refuse_is_refused_here(
    options: Any, complaint: str, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        check_words(OpenRLHF.program, line_of(run_of(tiny_model, options=options), tmp_path))


def test_rows_are_prompts_as_rendered_and_tasks_as_text(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from j1sdk.engines.chat import render_chat

    run = run_of(tiny_model)
    line_of(run, tmp_path)
    folder = tmp_path / "openrlhf"
    rows = [json.loads(row) for row in (folder / "rows.jsonl").read_text().splitlines()]
    told = [Assignment.model_validate_json(row["label"]) for row in rows]
    assert run.data is not None and [one.task for one in told] == run.data.load()
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    first = run.judge.presentations(told[0].task)[0]
    assert rows[0]["input"] == render_chat(tokenizer, run.judge.format.render(first))
    assert read_run(folder / "run.toml") == run


def test_formats_that_share_a_batch_have_a_row_each(tiny_model: Path, tmp_path: Path) -> None:
    rewards = (VerdictCorrectness(), ScoreOrdering())
    run = run_of(tiny_model, multitask=(Pointwise(),), rewards=rewards)
    line, alone = line_of(run, tmp_path), line_of(run_of(tiny_model), tmp_path / "alone")
    written = (tmp_path / "openrlhf" / "rows.jsonl").read_text().splitlines()
    told = [Assignment.model_validate_json(json.loads(row)["label"]) for row in written]
    assert [one.part for one in told] == [0, 1] * 16 and told[0].task == told[1].task
    for name in ("rollout.batch_size", "train.batch_size"):
        assert int(value(line, name) or 0) == 2 * int(value(alone, name) or 0)
    first = run.judge.model_copy(update={"orders": "first"})
    with pytest.raises(ConfigError, match="must show a task equally often"):
        line_of(run.model_copy(update={"judge": first}), tmp_path / "first")
    assert not (tmp_path / "first" / "openrlhf" / "rows.jsonl").exists()


def pairs(folder: Path, *rows: dict[str, Any]) -> JsonLines:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return JsonLines(path=path)


SHORT = {"prompt": "2+2?", "chosen": "4", "rejected": "5"}
LONG = {"prompt": "2+2? " * 400, "chosen": "4", "rejected": "5"}


def test_a_prompt_that_would_be_cut_is_refused_or_left_out(
    tiny_model: Path, tmp_path: Path
) -> None:
    data = pairs(tmp_path, SHORT, LONG)
    run = run_of(tiny_model, data=data)
    engine = Transformers(model=str(tiny_model), context=1800)
    run = run.model_copy(update={"judge": run.judge.model_copy(update={"engine": engine})})
    with pytest.raises(ConfigError, match=r"1 of 2 examples do not fit.*drop_long"):
        line_of(run, tmp_path)
    dropping = run.model_copy(update={"train": OpenRLHF(tasks_per_step=1, drop_long=True)})
    assert value(line_of(dropping, tmp_path), "data.max_len") == "1800"
    assert len((tmp_path / "openrlhf" / "rows.jsonl").read_text().splitlines()) == 1


def test_pairs_without_gold_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    data = pairs(tmp_path, {"prompt": "2+2?", "responses": ["4", "5"]})
    with pytest.raises(ConfigError, match="1 of 1 tasks have no preferred response"):
        line_of(run_of(tiny_model, data=data), tmp_path)


def test_what_cannot_be_trained_is_refused_first(tiny_model: Path) -> None:
    run = run_of(tiny_model, rewards=(ScoreOrdering(),))
    with pytest.raises(ConfigError, match="score-ordering"):
        OpenRLHF(rewards=(ScoreOrdering(),)).check(run)
    pointwise = run_of(tiny_model, format=Pointwise(), rewards=(ScoreOrdering(),))
    OpenRLHF(rewards=(ScoreOrdering(),)).check(pointwise)


def test_the_executors_file_names_the_run(tiny_model: Path, tmp_path: Path) -> None:
    line = line_of(run_of(tiny_model), tmp_path)
    written = Path(value(line, "train.agent_func_path") or "").read_text(encoding="utf-8")
    assert str(tmp_path / "openrlhf" / "run.toml") in written
    compile(written, "executor.py", "exec")


@pytest.mark.parametrize("program", ["train_ppo_ray", "train_sft", "train_dpo", "train_rm"])
def test_every_program_has_a_parser(program: str) -> None:
    assert len(parser_of(program)._actions) > 50


@pytest.mark.parametrize("text", ["0.9.3", "0.10.1.post2", "0.10"])
def test_older_versions_are_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ConfigError, match=f"OpenRLHF {text} has the option names of before 0.10.2"):
        version_of(text)


def test_the_correction_is_in_the_words_of_the_version() -> None:
    assert "algo.advantage.is_correction_level" in correction_flags("token", (0, 11, 2))
    assert correction_flags("seq", (0, 11, 1))["algo.advantage.is_correction_type"] == (
        "seq-mask-tis"
    )
    assert correction_flags("off", OLDEST) == {}


def test_words_are_a_command_line() -> None:
    flags = {"a": 1, "b": True, "c": False, "d": None, "e": (0.5, 2), "f": "x y"}
    assert shlex.join(words(flags)) == "--a 1 --b --e 0.5 2 --f 'x y'"
