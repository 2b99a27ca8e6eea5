"""Judges of a few thousand parameters, trained with the real TRL."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from j1sdk_quickstart.models import make_model, make_tokenizer
from pydantic import PrivateAttr
from transformers import AutoModelForCausalLM, AutoTokenizer

from j1sdk.engines.transformers import Transformers
from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat, Reading, Turn
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.formats.pointwise import Pointwise
from j1sdk.judge import JudgeRewardModel
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run, build_run, read_run
from j1sdk.training import Interrupted
from j1sdk.training.trl import Grpo, Sft
from j1sdk.types import Completion, Judgment, JudgmentTask, Presentation

GRPO = {
    "name": "grpo", "steps": 2, "tasks_per_step": 2, "rollouts": 4, "learning_rate": 1e-3,
    "logging_steps": 1, "report_to": [],
}  # fmt: skip
SFT = {"name": "sft", "batch_size": 8, "logging_steps": 1, "report_to": [], "learning_rate": 1e-2}


class Recording(VerdictCorrectness):
    """Rewards verdicts as its base does, under its name, and remembers what it was given."""

    _seen: list[tuple[str, Counter[tuple[int, ...]]]] = PrivateAttr(default_factory=list)

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        self._seen.append((task.id, Counter(judgment.order for judgment in judgments)))
        return super().grade(task, judgments, format)


class Twice(PairwiseVerdict):
    """Asks again."""

    name: ClassVar[str] = "twice"

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        yield Turn(say=self.render(shown))
        return (yield from super().deliberate(shown))


class Done(NamedTuple):
    """A finished run: its folder, its log and what it graded."""

    out: Path
    history: list[dict[str, Any]]
    reward: Recording


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    lines = [
        {"prompt": f"{n}+1?", "chosen": str(n + 1), "rejected": str(n + 2), "id": f"sum-{n}"}
        for n in range(8)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, and a tokenizer to which each format's instructions are one token."""
    directory = tmp_path_factory.mktemp("base")
    tokenizer = make_tokenizer([PairwiseVerdict(), Pointwise()])
    make_model(tokenizer, seed=0, hidden=32, layers=1).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def described(model: Path, data: Path, train: dict[str, Any], **judge: Any) -> Run:
    engine = {"name": "transformers", "model": str(model), "dtype": "float32"}
    sampling = {"max_new_tokens": 14}
    default = {"format": "pairwise-verdict", "engine": engine, "sampling": sampling}
    source = {"name": "jsonl", "path": str(data)}
    return build_run({"judge": default | judge, "data": source, "train": train, "seed": 3})


def train(run: Run, out: Path, **options: Any) -> list[dict[str, Any]]:
    assert run.train is not None
    return run.train.train(run, out, **options)


def recording(run: Run) -> tuple[Run, Recording]:
    assert isinstance(run.train, Grpo)
    reward = Recording()
    trainer = run.train.model_copy(update={"rewards": (reward,)})
    return run.model_copy(update={"train": trainer}), reward


def opened(directory: Path) -> tuple[Any, Any]:
    model = AutoModelForCausalLM.from_pretrained(directory)
    return model, AutoTokenizer.from_pretrained(directory)


def weights(directory: Path) -> dict[str, torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def logged(history: Sequence[dict[str, Any]], key: str) -> list[float]:
    return [entry[key] for entry in history if key in entry]


@pytest.fixture(scope="module")
def fluent(base: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an SFT run: its judge answers in the format, and knows nothing."""
    out = tmp_path_factory.mktemp("sft")
    train(described(base, pairs, SFT | {"steps": 40}), out)
    return out


@pytest.fixture(scope="module")
def judge(fluent: Path) -> Path:
    return fluent / "judge"


@pytest.fixture(scope="module")
def whole(judge: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A GRPO run of four steps that nothing interrupts, with its log and what it graded."""
    out = tmp_path_factory.mktemp("grpo")
    settings = GRPO | {"steps": 4, "report_to": ["tensorboard"]}
    run, reward = recording(described(judge, pairs, settings))
    return Done(out, train(run, out), reward)


def test_sft_lowers_the_loss_and_teaches_the_format(fluent: Path, pairs: Path) -> None:
    losses = logged(json.loads((fluent / "log.json").read_text()), "loss")
    assert len(losses) == 40
    assert sum(losses[-5:]) < 0.2 * sum(losses[:5])
    judge = JudgeRewardModel.load(fluent / "judge")
    task = JudgmentTask.from_pair("2+1?", chosen="3", rejected="4")
    assert all(judgment.ok for judgment in judge.judge([task])[0].judgments)


def test_sft_masks_the_prompt(base: Path, pairs: Path) -> None:
    run = described(base, pairs, SFT)
    assert isinstance(run.train, Sft)
    model, tokenizer = opened(base)
    trainer = run.train.build(run, model, tokenizer, base)
    batch = next(iter(trainer.get_train_dataloader()))
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        answer = tokenizer.decode(labels[labels != -100])
        prompt = tokenizer.decode(ids[(labels == -100)])
        assert run.judge.format.parse(answer.removesuffix("<|im_end|>")) in {(1.0, 0.0), (0.0, 1.0)}
        assert answer.endswith("<|im_end|>")
        assert "<|im_start|>assistant\n" in prompt and "<answer>[[A]]</answer> if" in prompt


def test_grpo_moves_the_weights(whole: Done, judge: Path) -> None:
    assert "model.layers.0.mlp.up_proj.weight" in moved(
        weights(judge), weights(whole.out / "judge")
    )


def test_every_grpo_batch_holds_whole_tasks_in_both_orders(
    whole: Done,
) -> None:
    seen = whole.reward._seen
    assert all(orders == {(0, 1): 4, (1, 0): 4} for _, orders in seen)
    tasks = [task for task, _ in seen]
    assert len(tasks) == len(set(tasks)) == 8  # four steps of two are one epoch
    assert tasks != sorted(tasks)


def test_the_log_has_each_reward_and_what_the_judge_did(
    whole: Done,
) -> None:
    history = whole.history
    assert json.loads((whole.out / "log.json").read_text()) == history
    correct = logged(history, "rewards/verdict_correctness/mean")
    assert len(correct) == 4 and correct == pytest.approx(logged(history, "judge/accuracy"))
    assert all(0 < value <= 1 for value in logged(history, "judge/status/ok"))
    assert logged(history, "judge/verdict_flip_rate")
    assert list(whole.out.rglob("events.out.tfevents*"))


def test_a_trained_judge_opens_with_j1sdk_and_with_transformers(
    whole: Done,
) -> None:
    assert len(weights(whole.out / "judge")) > 5
    assert AutoTokenizer.from_pretrained(whole.out / "judge").chat_template
    judge = JudgeRewardModel.load(whole.out / "judge")
    task = JudgmentTask.from_pair("2+1?", chosen="3", rejected="4")
    assert len(judge.judge([task])[0].judgments) == 2
    made = read_run(whole.out / "judge" / "j1.toml")
    assert isinstance(made.train, Grpo) and made.train.steps == 4 and "trl" in made.made_with


def test_a_saved_judge_keeps_the_options_of_its_engine(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    engine = {
        "name": "transformers", "model": str(base), "context": 512,
        "template_options": {"enable_thinking": False},
    }  # fmt: skip
    train(described(base, pairs, SFT | {"steps": 1}, engine=engine), tmp_path)
    saved = JudgeRewardModel.load(tmp_path / "judge").engine
    assert isinstance(saved, Transformers) and saved.model == str(tmp_path / "judge")
    assert (saved.context, saved.template_options) == (512, {"enable_thinking": False})


def test_sft_asks_with_the_options_of_the_template(base: Path, pairs: Path) -> None:
    model, tokenizer = opened(base)
    tokenizer.chat_template += "{% if mood %}({{ mood }}){% endif %}"
    options = {"name": "transformers", "model": str(base), "template_options": {"mood": "stern"}}
    run = described(base, pairs, SFT, engine=options)
    assert isinstance(run.train, Sft)
    row = run.train.build(run, model, tokenizer, base).train_dataset[0]
    assert "(stern)" in tokenizer.decode(row["input_ids"])


def test_weights_of_rewards_reach_trl(judge: Path, pairs: Path, tmp_path: Path) -> None:
    weighted = {"verdict-correctness": 3.0, "format-adherence": 0.5}
    rewards = [{"name": name, "weight": weight} for name, weight in weighted.items()]
    history = train(described(judge, pairs, GRPO | {"steps": 1, "rewards": rewards}), tmp_path)
    names = [name.replace("-", "_") for name in weighted]
    terms = [logged(history, f"rewards/{name}/mean")[0] for name in names]
    assert terms[1] > 0
    assert logged(history, "reward")[0] == pytest.approx(3.0 * terms[0] + 0.5 * terms[1])


def test_pointwise_grpo_orders_scores(base: Path, pairs: Path, tmp_path: Path) -> None:
    settings = GRPO | {"rewards": ["score-ordering"], "micro_batch": 8}
    history = train(described(base, pairs, settings, format="pointwise"), tmp_path)
    assert len(logged(history, "rewards/score_ordering/mean")) == 2
    assert isinstance(JudgeRewardModel.load(tmp_path / "judge").format, Pointwise)


@pytest.mark.parametrize("settings", [SFT, GRPO], ids=["sft", "grpo"])
def test_lora_is_merged_and_leaves_the_rest_alone(
    settings: dict[str, Any], judge: Path, pairs: Path, tmp_path: Path
) -> None:
    lora = {"rank": 2, "alpha": 64, "dropout": 0.0, "target_modules": ["up_proj"]}
    train(described(judge, pairs, settings | {"steps": 2, "lora": lora}), tmp_path)
    changed = moved(weights(judge), weights(tmp_path / "judge"))
    assert changed == {"model.layers.0.mlp.up_proj.weight"}


def test_an_interrupted_run_goes_on_where_it_stopped(
    whole: Done, judge: Path, pairs: Path, tmp_path: Path
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def stop(step: int, steps: int) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    settings = GRPO | {"steps": 4, "report_to": ["tensorboard"]}
    run, before = recording(described(judge, pairs, settings))
    with pytest.raises(Interrupted, match=r"step 2 of 4.*--resume"):
        train(run, tmp_path, progress=stop)
    checkpoints = (tmp_path / "checkpoints").glob("checkpoint-*")
    assert [path.name for path in checkpoints] == ["checkpoint-2"]
    assert not (tmp_path / "judge").exists()
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    run, after = recording(described(judge, pairs, settings))
    steps: list[int] = []
    history = train(run, tmp_path, resume=True, progress=lambda step, total: steps.append(step))
    assert steps == [3, 4]
    assert logged(history, "step")[-1] == 4
    assert before._seen + after._seen == whole.reward._seen
    assert not moved(weights(whole.out / "judge"), weights(tmp_path / "judge"))


def test_a_used_folder_is_refused_without_resume(base: Path, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"is not empty: give --resume"):
        train(described(base, pairs, SFT), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


NOWHERE = Path("/nowhere/at/all")  # so that whatever is refused is refused before it is loaded


@pytest.mark.parametrize(
    ("settings", "judging", "match"),
    [
        ({"rewards": ["score-ordering"]}, {}, "score-ordering needs a pointwise format"),
        *(
            ({"rewards": [name]}, {"format": "pointwise"}, f"{name} needs a pairwise format")
            for name in ("verdict-correctness", "verdict-consistency")
        ),
        ({"rewards": ["verdict-consistency"]}, {"orders": "first"}, "needs both orders"),
        ({}, {"engine": "scripted"}, "trains a model on this machine"),
        ({"name": "sft"}, {"engine": "scripted"}, "trains a model on this machine"),
    ],
)
def test_what_cannot_work_is_refused_before_loading(
    settings: dict[str, Any], judging: dict[str, Any], match: str, pairs: Path, tmp_path: Path
) -> None:
    run = described(NOWHERE, pairs, {"name": "grpo"} | settings, **judging)
    with pytest.raises(ConfigError, match=match):
        train(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_a_format_of_several_turns_is_refused(name: str, pairs: Path, tmp_path: Path) -> None:
    run = described(NOWHERE, pairs, {"name": name})
    judge = run.judge.model_copy(update={"format": Twice()})
    with pytest.raises(ConfigError, match="trains single-turn formats; twice is not one"):
        train(run.model_copy(update={"judge": judge}), tmp_path / "out")


@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_a_run_without_data_is_refused(name: str, pairs: Path, tmp_path: Path) -> None:
    run = described(NOWHERE, pairs, {"name": name}).model_copy(update={"data": None})
    with pytest.raises(ConfigError, match=r"the run has no \[data\]"):
        train(run, tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"steps": None, "tasks_per_step": 9}, "8 tasks do not fill one step of 9"),
        ({"micro_batch": 3}, "micro_batch 3 does not divide a step's 16 completions"),
        ({"options": {"per_device_train_batch_size": 3}}, "TRL does not take these settings"),
        ({"options": {"per_device_train_batch_size": 4}}, "must stay together"),
        ({"options": {"learning_rat": 1.0}}, "learning_rat"),
        ({"options": {"shuffle_dataset": True}}, "shuffle_dataset must be off"),
        ({"options": {"steps_per_generation": 1}, "micro_batch": 4}, "must stay together"),
    ],
)
def test_a_batch_that_would_part_siblings_is_refused(
    settings: dict[str, Any], match: str, base: Path, pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=match):
        train(described(base, pairs, GRPO | settings), tmp_path)


def test_a_micro_batch_may_part_them_as_the_step_is_generated_whole(
    judge: Path, pairs: Path, tmp_path: Path
) -> None:
    run, reward = recording(described(judge, pairs, GRPO | {"steps": 1, "micro_batch": 4}))
    train(run, tmp_path)
    assert [orders for _, orders in reward._seen] == [{(0, 1): 4, (1, 0): 4}] * 2


@pytest.fixture
def some_long(pairs: Path, tmp_path: Path) -> Path:
    """The pairs, and one whose response does not fit the context."""
    path = tmp_path / "long.jsonl"
    long = {"prompt": "9+1?", "chosen": "10", "rejected": "1" * 1100, "id": "long"}
    path.write_text(json.dumps(long) + "\n" + pairs.read_text())
    return path


@pytest.mark.parametrize(
    ("settings", "counts"), [(GRPO, "1 of 9 examples"), (SFT, "2 of 18 examples")]
)
def test_what_does_not_fit_is_refused(
    settings: dict[str, Any], counts: str, base: Path, some_long: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"{counts} do not fit: the longest has 1\d\d\d tokens"):
        train(described(base, some_long, settings), tmp_path / "out")


def test_what_does_not_fit_can_be_left_out(
    judge: Path, some_long: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = GRPO | {"steps": 4, "drop_long": True}
    run, reward = recording(described(judge, some_long, settings))
    train(run, tmp_path / "out")
    assert sorted(task for task, _ in reward._seen) == [f"sum-{n}" for n in range(8)]
    assert "left out 1 of 9 examples as too long" in caplog.text


def test_a_prompt_as_long_as_the_context_leaves_no_room_to_answer(
    tiny_model: Path, pairs: Path, tmp_path: Path
) -> None:
    """Its tokenizer spells the instructions out."""
    engine = {"name": "transformers", "model": str(tiny_model), "context": 512}
    with pytest.raises(ConfigError, match=r"8 of 8 examples do not fit.*room for 498"):
        train(described(tiny_model, pairs, GRPO, engine=engine), tmp_path)


class Numbered(VerdictCorrectness):
    """The first rollout of a task is worth 0, the next 1, and so on."""

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        return [float(place) for place in range(len(judgments))]


@pytest.mark.parametrize("estimator", ["group_norm", "dr_grpo", "reinforce_baseline"])
def test_an_estimator_is_what_trl_makes_of_rewards(
    estimator: str, base: Path, pairs: Path, tmp_path: Path
) -> None:
    run = described(base, pairs, GRPO | {"estimator": estimator})
    assert isinstance(run.train, Grpo)
    model, tokenizer = opened(base)
    grpo = run.train.model_copy(update={"rewards": (Numbered(),)})
    trainer = grpo.build(run, model, tokenizer, tmp_path)
    rows = [trainer.train_dataset[place] for place in range(4) for _ in range(4)]
    trainer.model.train()
    found = trainer._generate_and_score_completions(rows)["advantages"]
    rewards = torch.arange(8.0).repeat(2).view(4, 4)  # two tasks, each in two orders of four
    above = rewards - rewards.mean(dim=1, keepdim=True)
    scale = {"group_norm": rewards.std(dim=1, keepdim=True), "dr_grpo": torch.tensor(1.0),
             "reinforce_baseline": rewards.std()}[estimator]  # fmt: skip
    assert torch.allclose(found, (above / scale).flatten(), atol=1e-3)
    assert trainer.loss_type == ("dr_grpo" if estimator == "dr_grpo" else "dapo")


def test_an_estimator_that_trl_has_not_is_refused(base: Path, pairs: Path) -> None:
    with pytest.raises(ConfigError, match=r"estimator.*'group_norm', 'dr_grpo'"):
        described(base, pairs, GRPO | {"estimator": "rloo"})
