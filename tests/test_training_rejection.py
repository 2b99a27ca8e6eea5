"""Training on what the judge itself wrote: sampled, sifted, and learnt, without its hints."""

from __future__ import annotations

import json
from _thread import interrupt_main
from pathlib import Path
from typing import Any

import pytest
from j1sdk_family.reflections import CONNECTIVE
from j1sdk_family.rejection import OnPolicyDpo, RejectionSft, sample
from j1sdk_quickstart.tasks import Arithmetic
from tiny_training import (
    FORMAT,
    QUIET,
    SPEAKS,
    A,
    described,
    moved,
    some,
    train,
    untrained,
    write_pairs,
)

from j1sdk.data.jsonl import JsonLines
from j1sdk.engines.scripted import Scripted
from j1sdk.errors import ConfigError, DataError
from j1sdk.judge import JudgeRewardModel
from j1sdk.judgments import Transcribed
from j1sdk.run import Run, open_run
from j1sdk.training import Interrupted

TUNE = QUIET | {"name": "rejection-sft", "samples": 4, "steps": 1, "batch_size": 4}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs.jsonl")


@pytest.fixture(scope="module")
def speaks(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that writes verdicts, and knows nothing."""
    base = untrained(tmp_path_factory.mktemp("base"))
    out = tmp_path_factory.mktemp("speaks")
    train(described(base, pairs, SPEAKS), out)
    return out / "judge"


@pytest.fixture(scope="module")
def run(speaks: Path, pairs: Path) -> Run:
    """Two rounds, with a hint where nothing was right."""
    sampler = {"name": "transformers", "model": "none/such", "dtype": "float32", "batch_size": 7}
    more = {"rounds": 2, "hint": True, "sampler": sampler}
    return described(speaks, pairs, TUNE | some(pairs) | more)


@pytest.fixture(scope="module")
def tuned(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned")
    train(run, out)
    return out


def test_every_presentation_is_sampled_as_often_as_asked(tuned: Path) -> None:
    recorded = Transcribed(tuned / "1-rejection-sft" / "samples" / "judgments.jsonl")
    assert len(recorded) == 16
    assert {len(judgment.samples) for judgment in recorded.values()} == {4}
    texts = {sample.text for judgment in recorded.values() for sample in judgment.samples}
    assert len(texts) > 2, "they are drawn, not all alike"
    sampler = open_run(tuned / "1-rejection-sft" / "samples" / "run.toml").judge
    assert (sampler.sampling.temperature, sampler.sampling.seed) == (1.0, 3)
    assert getattr(sampler.engine, "batch_size", 0) == 7, "by the engine it was told to sample with"


def test_the_second_round_samples_from_what_the_first_one_made(tuned: Path, speaks: Path) -> None:
    models = [
        open_run(tuned / f"{number}-rejection-sft" / "samples" / "run.toml").judge.engine
        for number in (1, 2)
    ]
    first = tuned / "1-rejection-sft" / "judge"
    assert [getattr(engine, "model", "") for engine in models] == [str(speaks), str(first)]
    assert moved(speaks, first) and moved(first, tuned / "judge")


def test_only_right_judgments_are_learnt_and_the_log_counts_the_others(
    tuned: Path, run: Run
) -> None:
    out = tuned / "1-rejection-sft"
    trainer = run.train.parts[0] if run.train else None
    assert isinstance(trainer, RejectionSft)
    taught = list(trainer.lessons(run, out).demonstrations(FORMAT, run.seed))
    assert taught
    for one in taught:
        assert FORMAT.parse(one.answer)[one.shown.gold or 0] == 1.0
    (first, *_) = json.loads((out / "log.json").read_text(encoding="utf-8"))
    assert first["data/presentations"] == 16 and first["data/examples"] == len(taught)
    left = sum(count for name, count in first.items() if name.startswith("data/")) - 16
    assert left == 16, "what is kept and what is left out are all there is, one example of each"


def test_the_hint_is_seen_when_sampling_and_not_in_training(tuned: Path, run: Run) -> None:
    out = tuned / "1-rejection-sft"
    hinted = Transcribed(out / "hinted" / "judgments.jsonl")
    own = Transcribed(out / "samples" / "judgments.jsonl")
    assert 0 < len(hinted) <= 16
    for key, judgment in hinted.items():
        assert "[Reference answer]" in judgment.transcript[0].content
        assert "[Reference answer]" not in own[key].transcript[0].content
    trainer = run.train.parts[0] if run.train else None
    assert isinstance(trainer, RejectionSft)
    for one in trainer.lessons(run, out).demonstrations(FORMAT, run.seed):
        assert one.shown.task.reference is None


def test_second_thoughts_are_made_of_the_same_samples(tuned: Path, run: Run, pairs: Path) -> None:
    data = JsonLines(path=pairs, limit=8)
    trainer = RejectionSft(data=data, reflect=True, connective=" Hm. ", per_presentation=4)
    taught = list(trainer.lessons(run, tuned / "1-rejection-sft").demonstrations(FORMAT, 0))
    assert taught and all(" Hm. " in one.answer for one in taught)
    assert RejectionSft().connective == CONNECTIVE


def test_the_record_is_of_the_run_and_not_of_its_samples(tuned: Path, run: Run) -> None:
    recorded = open_run(tuned / "1-rejection-sft" / "judge")
    assert recorded.data == run.data and isinstance(recorded.train, RejectionSft)
    assert recorded.train.rounds == 1
    assert open_run(tuned / "judge").train == run.train


def voter(count: int) -> JudgeRewardModel:
    return JudgeRewardModel(format=FORMAT, engine=Scripted(answers=(A,) * count))


@pytest.mark.usefixtures("heeding_interrupts")
def test_interrupted_sampling_goes_on_where_it_stopped(tmp_path: Path) -> None:
    tasks = Arithmetic(limit=150).load()

    def stop(done: int, total: int) -> None:
        if done == 100:
            interrupt_main()  # as Ctrl-C does: judging goes on in a thread of its own

    with pytest.raises(Interrupted, match=r"stopped in samples at step \d+ of 300.*--resume"):
        sample(voter(300), tasks, tmp_path, "samples", stop)
    kept = len(Transcribed(tmp_path / "samples" / "judgments.jsonl"))
    told: list[tuple[int, int]] = []
    sample(voter(300), tasks, tmp_path, "samples", lambda *done: told.append(done))
    assert 100 <= kept <= 300 and len(told) == 300 - kept and told[-1:] in ([], [(300, 300)])
    assert len(Transcribed(tmp_path / "samples" / "judgments.jsonl")) == 300


@pytest.mark.parametrize("name", ["rejection-sft", "on-policy-dpo"])
def test_tasks_without_gold_are_refused_before_anything_is_sampled(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "p", "responses": ["a", "b"]}')
    with pytest.raises(DataError, match="1 of 1 tasks have no preferred response"):
        train(described(tmp_path, path, QUIET | {"name": name}), tmp_path / "out")


def test_what_has_no_weights_to_sample_with_is_refused_at_the_start(pairs: Path) -> None:
    run = described(Path("/nowhere"), pairs, TUNE | {"sampler": {"name": "scripted"}})
    with pytest.raises(ConfigError, match=r"scripted has no model that phases could hand on"):
        run.train.check(run)  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [{"samples": 1}, {"temperature": 0.0}, {"rounds": 0}])
def test_sampling_that_gives_no_pair_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="greater than"):
        OnPolicyDpo(**options)
