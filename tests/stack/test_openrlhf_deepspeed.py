"""SFT, DPO and a reward model by the real OpenRLHF and DeepSpeed, unmodified, on the CPU."""

from __future__ import annotations

import argparse
import json
import math
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from j1sdk_openrlhf.deepspeed import DeepSpeedTrainer, Machines
from j1sdk_openrlhf.dpo import OpenRLHFDpo
from j1sdk_openrlhf.launch import last_words
from j1sdk_openrlhf.parsers import installed_version, parser_of
from j1sdk_openrlhf.reward_model import OpenRLHFRewardModel
from j1sdk_openrlhf.sft import OpenRLHFSft
from j1sdk_quickstart.tasks import Arithmetic
from openrlhf_runs import SHIM, Finished, finish, moved, series, started, weights

from j1sdk import JudgeRewardModel, JudgmentTask, PairwiseVerdict, Sampling, Source, Transformers
from j1sdk.data.jsonl import JsonLines
from j1sdk.engines.chat import encode_chat
from j1sdk.run import Run, read_run
from j1sdk.training.layout import Asker

pytestmark = pytest.mark.stack

STEPS, ROWS = 8, 8
ONE = Machines(gpus_per_node=1, zero_stage=2)
PLAIN = ONE.model_copy(update={"packing": False, "attention": "sdpa"})
"""What a reward model can have on a CPU."""
SINGLE = {"batch_size": 1, "micro_batch": 1, "cluster": ONE}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from j1sdk_quickstart.models import make_model, make_tokenizer

    directory = tmp_path_factory.mktemp("model")
    tokenizer = make_tokenizer([PairwiseVerdict()])
    make_model(tokenizer, seed=0, hidden=64, layers=2).to(torch.bfloat16).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def run_of(model: Path, train: DeepSpeedTrainer, data: Source | None = None) -> Run:
    judge = JudgeRewardModel(
        format=PairwiseVerdict(),
        engine=Transformers(model=str(model), device="cpu"),
        sampling=Sampling(max_new_tokens=24),
    )
    source = data or Arithmetic(limit=STEPS * ROWS)
    return Run(judge=judge, data=source, train=train, seed=1)


def options(**more: Any) -> dict[str, Any]:
    warm = {"options": {"lr_warmup_ratio": 0}}
    return {"batch_size": ROWS, "micro_batch": 4, "learning_rate": 1e-3, **warm, **more}


TRAINERS = (
    OpenRLHFSft(**options(cluster=ONE)),
    OpenRLHFDpo(**options(cluster=ONE)),
    OpenRLHFRewardModel(**options(cluster=PLAIN)),
)


@pytest.fixture(scope="module", params=TRAINERS, ids=lambda one: one.name)
def trained(
    request: pytest.FixtureRequest, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DeepSpeedTrainer, Finished]:
    out = tmp_path_factory.mktemp("trained") / "out"
    with started(run_of(model, request.param), out) as command:
        return request.param, finish(command)


def test_it_leaves_what_it_trained_and_no_process(
    trained: tuple[DeepSpeedTrainer, Finished], model: Path
) -> None:
    trainer, finished = trained
    left = finished.out / trainer.leaves
    assert finished.left == [] and str(left) in finished.said
    assert (finished.out / "report.html").stat().st_size > 10_000
    before, after = weights(model), weights(left)
    assert len(before.keys() & after.keys()) > 20
    assert moved(before, after) > 20 or (trainer.leaves != "judge" and "score.weight" in after)


def test_every_step_is_logged(trained: tuple[DeepSpeedTrainer, Finished]) -> None:
    trainer, finished = trained
    assert series(finished, "step") == list(range(1, STEPS + 1))
    assert all(map(math.isfinite, series(finished, "loss")))
    if isinstance(trainer, OpenRLHFSft):
        first, *_, last = series(finished, "loss")
        assert last < first - 0.2


def test_a_judge_opens_and_a_reward_model_is_none(
    trained: tuple[DeepSpeedTrainer, Finished],
) -> None:
    trainer, finished = trained
    left = finished.out / trainer.leaves
    if trainer.leaves != "judge":
        assert not (left / "j1.toml").exists()
        assert read_run(left.with_name("run.toml")).train == trainer
        assert json.loads((left / "config.json").read_text())["architectures"] == ["RewardModel"]
        return
    (result,) = JudgeRewardModel.load(left).judge(Arithmetic(limit=1).load())
    assert result.usage.completion_tokens > 0


def test_an_interrupted_run_goes_on(model: Path, tmp_path: Path) -> None:
    train = OpenRLHFSft(**options(cluster=ONE, epochs=12, save_steps=2))
    with started(run_of(model, train), tmp_path / "out") as command:
        command.until((tmp_path / "out" / "openrlhf" / "checkpoints" / "latest").is_file)
        command.process.send_signal(signal.SIGINT)
        assert command.end(90) == 130
        assert "of 96; " in command.said and "add --resume" in command.said
        assert command.processes() == []
    with started(run_of(model, train), tmp_path / "out", "--resume") as command:
        resumed = finish(command)
    assert "Loaded the checkpoint" in (resumed.out / "openrlhf.log").read_text()
    assert series(resumed, "step") == list(range(1, 97))


def test_the_last_words_are_those_of_the_program(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ending = "[2026-01-01 10:00:00,000] [INFO] [launch.py:335:sigkill_handler] Killing subprocess 7"
    log.write_text(f"ValueError: no\n{ending}\n")
    assert last_words(log) == "ValueError: no"
    log.write_text(f"{ending}\n")
    assert last_words(log) == ""


AWKWARD = "What is this: <image>?\n\n{} <|im_end|> <think>"
"""What OpenRLHF's own rendering would make an image, a place to fill in, or an end of."""


def examples(train: DeepSpeedTrainer, model: Path, folder: Path) -> tuple[Any, Any]:
    """OpenRLHF's own dataset of a run on one awkward pair, and the run's tokenizer."""
    from datasets import load_dataset
    from openrlhf.datasets import RewardDataset, SFTDataset
    from openrlhf.utils.config import hierarchize
    from transformers import AutoTokenizer

    path = folder / "pairs.jsonl"
    row = {"prompt": AWKWARD, "chosen": "a\n", "rejected": AWKWARD}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    run = run_of(model, train, JsonLines(path=path))
    line = train.plan(run, folder, installed_version()).line
    args = hierarchize(parsed(train.program, line))
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = load_dataset("json", data_files=args.data.dataset)["train"]
    kind = SFTDataset if train.program == "train_sft" else RewardDataset
    more = {"is_dpo": True} if train.program == "train_dpo" else {}
    made = kind(
        rows, tokenizer, args.data.max_len, SimpleNamespace(args=args),
        input_template=args.data.input_template, num_processors=1, **more,
    )  # fmt: skip
    return made, tokenizer


def parsed(program: str, line: list[str]) -> argparse.Namespace:
    return parser_of(program).parse_args(line)


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SHIM))


def shown(model: Path, tokenizer: Any) -> list[tuple[list[int], str]]:
    """What the judge is asked, in tokens, and the right answer, for each order of the pair."""
    run = run_of(model, OpenRLHFSft())
    task = JudgmentTask(prompt=AWKWARD, responses=("a\n", AWKWARD), preferred=0)
    asked = Asker(run.judge, tokenizer)
    return [
        (encode_chat(tokenizer, asked.prompt(one)), PairwiseVerdict().write(scores))
        for one, scores in zip(run.judge.presentations(task), [(1.0, 0.0), (0.0, 1.0)], strict=True)
    ]


@pytest.mark.usefixtures("stand_ins")
def test_sft_learns_the_answer_to_what_the_judge_is_asked(model: Path, tmp_path: Path) -> None:
    made, tokenizer = examples(
        OpenRLHFSft(**options(batch_size=1, micro_batch=1, cluster=ONE)), model, tmp_path
    )
    assert len(made) == 2
    for (ids, _, mask), (prompt, answer) in zip(made, shown(model, tokenizer), strict=True):
        tokens = ids[0].tolist()
        assert tokens[: len(prompt)] == prompt
        learnt = [token for token, counts in zip(tokens[1:], mask[0][:-1], strict=True) if counts]
        assert tokenizer.decode(learnt) == answer + tokenizer.eos_token
        assert mask[0].sum() == len(tokens) - len(prompt)


@pytest.mark.usefixtures("stand_ins")
def test_dpo_prefers_the_right_answer_to_the_wrong_one(model: Path, tmp_path: Path) -> None:
    made, tokenizer = examples(
        OpenRLHFDpo(**options(batch_size=1, micro_batch=1, cluster=ONE)), model, tmp_path
    )
    (first, answer), (second, other) = shown(model, tokenizer)
    expected = [(first, answer, other), (second, other, answer)]
    for (chosen, _, rejected, _, size), (prompt, good, bad) in zip(made, expected, strict=True):
        assert size == len(prompt)
        for ids, text in ((chosen, good), (rejected, bad)):
            assert ids[0].tolist()[:size] == prompt
            assert tokenizer.decode(ids[0].tolist()[size:]) == text + tokenizer.eos_token


@pytest.mark.usefixtures("stand_ins")
def test_a_reward_model_reads_whole_conversations(model: Path, tmp_path: Path) -> None:
    made, tokenizer = examples(OpenRLHFRewardModel(**options(**SINGLE)), model, tmp_path)
    ((chosen, _, rejected, *_),) = made
    end = tokenizer.eos_token
    for ids, response in ((chosen, "a\n"), (rejected, AWKWARD.replace("<|im_end", "< |im_end"))):
        text = tokenizer.decode(ids[0].tolist())
        assert text.endswith(response + end)
        assert text.count(end) == 2, "one behind the user's turn, one behind the response"
