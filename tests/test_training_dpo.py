"""Preference training with the real TRL: what is learnt, on which tokens, against a control."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

import pytest
import torch
from j1sdk_quickstart.tasks import Arithmetic
from learnt import ALPHA, START, sign_test
from tiny_training import (
    FORMAT,
    QUIET,
    A,
    B,
    described,
    logged,
    margins,
    moved,
    train,
    untrained,
    weights,
    write_pairs,
)
from transformers import AutoModelForCausalLM, AutoTokenizer

from j1sdk.data import JudgmentPreference, Source
from j1sdk.data.jsonl import JsonLines
from j1sdk.engines.chat import encode_chat
from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.pointwise import Pointwise
from j1sdk.report.training import training_report
from j1sdk.run import Run
from j1sdk.training import Interrupted
from j1sdk.training.trl_dpo import Dpo
from j1sdk.types import JudgmentTask, presentations

DPO = QUIET | {"name": "dpo", "steps": 12, "batch_size": 4, "learning_rate": 5e-3}


class PrefersA(Source):
    """Judgments for the first response over those for the second; shuffled, either as often.

    What is to be learnt has nothing to do with the sums, so it holds for sums never seen.
    """

    name: ClassVar[str] = "prefers-a"
    shuffled: bool = False

    def tasks(self) -> Iterator[JudgmentTask]:
        return iter(Arithmetic(limit=12, held_out=False).load())

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        shown = [one for task in self.tasks() for one in presentations(task, 2)]
        turned = [self.shuffled and place % 2 == 1 for place in range(len(shown))]
        for one, other in zip(shown, random.Random(seed).sample(turned, len(shown)), strict=True):
            chosen, rejected = (B, A) if other else (A, B)
            yield JudgmentPreference(shown=one, chosen=chosen, rejected=rejected)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs.jsonl", 8)


def run_of(base: Path, pairs: Path, **changes: Any) -> Run:
    data = changes.pop("data", None)
    run = described(base, pairs, DPO | changes)
    return run.model_copy(update={"data": data}) if data else run


@pytest.fixture(scope="module")
def learnt(base: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("learnt")
    train(run_of(base, pairs, data=PrefersA()), out)
    return out


def gained(before: Path, after: Path) -> list[float]:
    """How much likelier A has become against B, in nats, on each of some unseen sums."""
    fresh = [one for task in Arithmetic(seed=9, limit=12).load() for one in presentations(task, 2)]
    start, end = (margins(judge, fresh, A, B) for judge in (before, after))
    return [after - before for before, after in zip(start, end, strict=True)]


def test_the_chosen_become_likelier_than_the_rejected_and_shuffled_ones_do_not(
    base: Path, pairs: Path, learnt: Path, tmp_path: Path, record_property: Any
) -> None:
    train(run_of(base, pairs, data=PrefersA(shuffled=True)), tmp_path)
    gain, control = gained(base, learnt / "judge"), gained(base, tmp_path / "judge")
    found = sign_test(gain, control)
    told = f"start {START}, nats gained {fmean(gain):.2f}, shuffled {fmean(control):.2f}"
    record_property("figures", f"{told}; {found}")
    assert found.p < ALPHA and min(gain) > 0


def test_the_log_and_the_report_say_so(base: Path, pairs: Path, learnt: Path) -> None:
    history = json.loads((learnt / "log.json").read_text(encoding="utf-8"))
    assert len(logged(history, "rewards/margins")) == 12
    assert fmean(logged(history, "rewards/accuracies")[-5:]) > 0.9
    assert logged(history, "rewards/margins")[-1] > logged(history, "rewards/margins")[0]
    report = training_report(run_of(base, pairs), history)
    assert [block.title for block in report.blocks] == [
        "Preferences", "What preferences gained", "Loss", "Entropy",
    ]  # fmt: skip


def test_it_is_trained_on_the_tokens_the_judge_is_asked_with(base: Path, pairs: Path) -> None:
    run = run_of(base, pairs)
    assert isinstance(run.train, Dpo)
    model = AutoModelForCausalLM.from_pretrained(base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template += "{% if mood %}({{ mood }}){% endif %}"
    engine = run.judge.engine.model_copy(update={"template_options": {"mood": "stern"}})
    judge = run.judge.model_copy(update={"engine": engine})
    trainer = run.train.build(run.model_copy(update={"judge": judge}), model, tokenizer, base)
    shown = presentations(JsonLines(path=pairs).load()[0], 2)[0]
    row = trainer.train_dataset[0]
    assert row["prompt_ids"] == encode_chat(tokenizer, FORMAT.render(shown), mood="stern")
    assert tokenizer.decode(row["chosen_ids"]) == A + "<|im_end|>"
    assert tokenizer.decode(row["rejected_ids"]) == B + "<|im_end|>"
    batch = next(iter(trainer.get_train_dataloader()))
    for ids, mask in zip(batch["input_ids"], batch["completion_mask"], strict=True):
        assert tokenizer.decode(ids[mask.bool()]) in {A + "<|im_end|>", B + "<|im_end|>"}


def test_what_is_longer_than_trls_own_limit_is_not_cut(base: Path, pairs: Path) -> None:
    run = run_of(base, pairs)
    assert isinstance(run.train, Dpo)
    tokenizer = AutoTokenizer.from_pretrained(base)
    trainer = run.train.build(run, AutoModelForCausalLM.from_pretrained(base), tokenizer, base)
    assert trainer.args.max_length is None and trainer.data_collator.max_length is None


def test_gold_answers_are_preferred_to_their_opposites(pairs: Path) -> None:
    first, second = list(JsonLines(path=pairs, limit=1).preferences(FORMAT, seed=0))
    assert (first.shown.order, first.chosen, first.rejected) == ((0, 1), A, B)
    assert (second.shown.order, second.chosen, second.rejected) == ((1, 0), B, A)
    scores = Pointwise(low=1.0, high=5.0)
    better, worse = list(JsonLines(path=pairs, limit=1).preferences(scores, seed=0))
    assert [scores.parse(text) for text in (better.chosen, better.rejected)] == [(5.0,), (1.0,)]
    assert [scores.parse(text) for text in (worse.chosen, worse.rejected)] == [(1.0,), (5.0,)]


def test_arithmetic_prefers_verdicts_that_follow_from_the_thought() -> None:
    for one in Arithmetic(limit=20).preferences(FORMAT, seed=1):
        thoughts = {text.rpartition("</think>")[0] for text in (one.chosen, one.rejected)}
        assert len(thoughts) == 1 and "right" in thoughts.pop()
        gold = one.shown.gold
        assert FORMAT.parse(one.chosen)[gold or 0] == 1.0
        assert FORMAT.parse(one.rejected)[gold or 0] == 0.0


def test_the_chosen_texts_own_loss_keeps_them_likely(
    base: Path, pairs: Path, learnt: Path, tmp_path: Path
) -> None:
    """Without it DPO is free to make both less likely, as long as the rejected falls further."""
    without = json.loads((learnt / "log.json").read_text(encoding="utf-8"))
    history = train(run_of(base, pairs, data=PrefersA(), nll=1.0), tmp_path)
    assert logged(history, "logps/chosen")[0] == pytest.approx(logged(without, "logps/chosen")[0])
    assert logged(history, "logps/chosen")[-1] > logged(without, "logps/chosen")[-1] + 1.0


def test_lora_leaves_the_rest_alone(base: Path, pairs: Path, tmp_path: Path) -> None:
    lora = {"rank": 2, "alpha": 64, "dropout": 0.0, "target_modules": ["up_proj"]}
    train(run_of(base, pairs, steps=2, lora=lora), tmp_path)
    before, after = weights(base), weights(tmp_path / "judge")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"model.layers.0.mlp.up_proj.weight"}


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    base: Path, pairs: Path, tmp_path: Path
) -> None:
    def stop(step: int, steps: int) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    run = run_of(base, pairs, steps=4)
    train(run, tmp_path / "whole")
    with pytest.raises(Interrupted, match="step 2 of 4"):
        train(run, tmp_path / "parted", progress=stop)
    train(run, tmp_path / "parted", resume=True)
    assert moved(base, tmp_path / "whole" / "judge")
    assert not moved(tmp_path / "whole" / "judge", tmp_path / "parted" / "judge")


def test_what_does_not_fit_is_refused_or_left_out(
    base: Path, pairs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    long = {"prompt": "9+1?", "chosen": "10", "rejected": "1" * 1100, "id": "long"}
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps(long) + "\n" + pairs.read_text())
    with pytest.raises(ConfigError, match="2 of 18 examples do not fit"):
        train(described(base, path, DPO), tmp_path / "refused")
    train(described(base, path, DPO | {"steps": 1, "drop_long": True}), tmp_path / "dropped")
    assert "left out 2 of 18 examples as too long" in caplog.text


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"beta": 0.0}, "greater than 0"), ({"options": {"betta": 1}}, "betta"),
     ({"nll": -1.0}, "greater than or equal to 0")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(
    settings: dict[str, Any], match: str, base: Path, pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=match):
        train(run_of(base, pairs, **settings), tmp_path)
