"""Options that were written down for OpenRLHF fill in what a run leaves open, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from j1sdk_openrlhf.arguments import check_agreement, read_arguments
from j1sdk_openrlhf.cluster import Cluster
from j1sdk_openrlhf.sft import OpenRLHFSft
from j1sdk_openrlhf.trainer import OpenRLHF

from j1sdk import ConfigError
from j1sdk.run import read_run

PROGRAM = "train_ppo_ray"
SCRIPT = """\
set -x
say() { echo "it's
done"; }
ray job submit --address="http://head:8265" \\
   --runtime-env-json='{"working_dir": "/here"}' \\
   -- python3 -m openrlhf.cli.train_ppo_ray \\
   --actor.adam.lr 5e-7 \\
   --actor.eps_clip_low_high 0.2 0.28 --reward.clip_range -10 10 \\
   --logger.wandb.project="a name" \\
   --vllm.enforce_eager  2>&1 | tee log  # for now
echo --not.this 1
"""
OPTIONS = {
    "actor.adam.lr": "5e-7",
    "actor.eps_clip_low_high": ("0.2", "0.28"),
    "reward.clip_range": ("-10", "10"),
    "logger.wandb.project": "a name",
    "vllm.enforce_eager": True,
}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_is_read_where_it_runs_the_program(tmp_path: Path) -> None:
    assert read_arguments(written(tmp_path, "train.sh", SCRIPT), PROGRAM) == OPTIONS


def test_a_heredoc_is_read_too(tmp_path: Path) -> None:
    text = """\
read -r -d '' training_commands <<EOF
openrlhf.cli.train_sft \\
   --data.max_len 2048 \\
   --ds.packing_samples
EOF
deepspeed --module $training_commands
"""
    path = written(tmp_path, "train.sh", text)
    assert read_arguments(path, "train_sft") == {"data.max_len": "2048", "ds.packing_samples": True}
    with pytest.raises(ConfigError, match=r"neither runs openrlhf\.cli\.train_dpo nor is a list"):
        read_arguments(path, "train_dpo")


def test_a_list_of_options_is_read_whole(tmp_path: Path) -> None:
    path = written(tmp_path, "options.txt", "--actor.max_norm 0.5  # less\n\n--optim muon\n")
    assert read_arguments(path, PROGRAM) == {"actor.max_norm": "0.5", "optim": "muon"}


@pytest.mark.parametrize(
    "text",
    [
        "actor:\n  adam: {lr: 5e-7}\n  eps_clip_low_high: [0.2, 0.28]\nvllm.enforce_eager: true\n",
        "actor.adam.lr: 5e-7\nactor.eps_clip_low_high: [0.2, 0.28]\nvllm: {enforce_eager: true}\n",
    ],
)
def test_yaml_is_nested_or_dotted(text: str, tmp_path: Path) -> None:
    assert read_arguments(written(tmp_path, "options.yaml", text), PROGRAM) == {
        "actor.adam.lr": "5e-7",
        "actor.eps_clip_low_high": (0.2, 0.28),
        "vllm.enforce_eager": True,
    }


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.sh", "--actor.adam.lr $LR", r"a\.sh: '\$LR' is for a shell to fill in"),
        ("a.sh", "--actor.adam.lr=$LR", r"a\.sh: '\$LR' is for a shell to fill in"),
        ("a.sh", "echo hello", "neither runs openrlhf.cli.train_ppo_ray nor is a list"),
        ("a.yaml", "- actor.adam.lr", "should hold options by name"),
        ("a.yaml", "{", "a.yaml is not YAML"),
    ],
)
def test_what_cannot_be_read_is_refused(
    name: str, text: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read_arguments(written(tmp_path, name, text), PROGRAM)
    with pytest.raises(ConfigError, match="cannot read"):
        read_arguments(tmp_path / "none.sh", PROGRAM)


def test_options_that_are_not_set_are_filled_in() -> None:
    told = {
        "actor.adam.lr": "5e-7",
        "rollout.batch_size": "16",
        "actor.num_gpus_per_node": "4",
        "vllm.tensor_parallel_size": "2",
        "ds.adam_offload": True,
    }
    filled = OpenRLHF(learning_rate=1e-6, cluster=Cluster(zero_stage=2)).filled(told)
    assert filled.learning_rate == 1e-6, "the run's own"
    assert filled.tasks_per_step == 16
    assert filled.cluster == Cluster(gpus_per_node=4, tensor_parallel=2, zero_stage=2, offload=True)
    assert OpenRLHFSft().filled({"adam.lr": 3e-6}).learning_rate == 3e-6
    with pytest.raises(ConfigError, match="engines x tensor_parallel is 24"):
        OpenRLHF().filled({"vllm.num_engines": "24"})


@pytest.mark.parametrize("trainer", [OpenRLHF(), OpenRLHFSft()], ids=lambda one: one.name)
def test_every_spelling_is_of_an_option(trainer: OpenRLHF | OpenRLHFSft) -> None:
    for option in trainer.spelled:
        at: object = trainer
        for name in option.split("."):
            assert name in type(at).model_fields  # type: ignore[attr-defined]
            at = getattr(at, name)


def test_every_disagreement_is_named() -> None:
    said = {"a": 1, "b": 1e-6, "c": True, "d": (0.2, 0.3), "e": None, "f": "x"}
    check_agreement({"a": "1", "b": "0.000001", "c": True, "d": ("0.2", "0.30")}, said, Path("f"))
    check_agreement({"e": False, "g": "only there"}, said, Path("f"))
    with pytest.raises(ConfigError) as refused:
        check_agreement({"a": "2", "c": False, "e": "5", "f": "x"}, said, Path("f.sh"))
    assert str(refused.value).splitlines()[:-1] == [
        "f.sh and the run do not agree:",
        "  --a: 2 in the file, 1 by the run",
        "  --c: off in the file, on by the run",
        "  --e: 5 in the file, off by the run",
    ]


def test_the_file_is_found_from_the_run_file(tmp_path: Path) -> None:
    text = '[judge]\nformat = "pairwise-verdict"\nengine = "scripted"\n'
    text += '[train]\nname = "openrlhf"\narguments = "train.sh"\n'
    train = read_run(written(tmp_path, "run.toml", text)).train
    assert isinstance(train, OpenRLHF) and train.arguments == tmp_path / "train.sh"
