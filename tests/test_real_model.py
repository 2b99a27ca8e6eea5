"""A pretrained model with a real template, tokenizer and text: asked, taught, served and trained.

What is claimed of a tiny model with a tokenizer of our own has to hold here too.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from final_answer import Rules, strict_tagged, verdict
from j1sdk_quickstart.tasks import Arithmetic
from real_model import CACHE, Unavailable, real_model
from reward_client import ask
from tiny_training import logged, moved

from j1sdk import (
    JudgeRewardModel,
    Judgment,
    JudgmentFormat,
    JudgmentTask,
    PairwiseScores,
    PairwiseVerdict,
    PairwiseVerdictScores,
    Pointwise,
    Presentation,
    Run,
    Sampling,
    Transformers,
)
from j1sdk.deliberation import replay
from j1sdk.engines.chat import reserved_tokens
from j1sdk.server import served
from j1sdk.training import Interrupted, Trainer
from j1sdk.training.layout import Asker, decode
from j1sdk.training.trl import Grpo, Lora, Sft
from j1sdk.training.trl_dpo import Dpo
from j1sdk.types import presentations

TOP_LAYERS = Lora(rank=16, alpha=32, target_modules=r"model\.layers\.2\d\..*_proj")
"""Gradients need not be taken through the twenty layers below."""
QUIET: dict[str, Any] = {"report_to": (), "logging_steps": 1}
LESSON = Sft(
    steps=12,
    batch_size=4,
    learning_rate=1e-3,
    lora=TOP_LAYERS,
    options={"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 2},
    **QUIET,
)
DATA = Arithmetic(seed=2, limit=48, held_out=False)
SHOWN = Arithmetic(seed=1, limit=8).load()
"""Sums that no training shows."""
FORMATS: list[JudgmentFormat] = [
    kind.model_validate({"thinking": thinking})
    for kind in (PairwiseVerdict, PairwiseScores, PairwiseVerdictScores, Pointwise)
    for thinking in ("think", "plan", "none")
]


@pytest.fixture(scope="module")
def model() -> Path:
    try:
        return real_model()
    except Unavailable as error:
        pytest.skip(str(error))


def judge_of(model: Path, form: JudgmentFormat | None = None, tokens: int = 48) -> JudgeRewardModel:
    engine = Transformers(model=str(model), dtype="float32", device="cpu", batch_size=16)
    return JudgeRewardModel(
        format=form or PairwiseVerdict(), engine=engine, sampling=Sampling(max_new_tokens=tokens)
    )


@pytest.fixture(scope="module")
def taught(model: Path) -> Path:
    """The model after some demonstrations; kept under a hash of what it was shown."""
    run = Run(judge=judge_of(model), data=DATA, train=LESSON, seed=0)
    (asked,) = run.judge.format.render(presentations(SHOWN[0], 2)[0])
    made_by = f"{LESSON!r} {DATA!r} {asked.content} {[one.id for one in DATA.load()]}"
    folder = CACHE / f"judge-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}"
    if not folder.exists():
        with TemporaryDirectory(dir=CACHE) as partly:
            LESSON.train(run, Path(partly) / "out")
            (Path(partly) / "out" / "judge").replace(folder)
    return folder


@pytest.fixture(scope="module")
def judged(taught: Path) -> list[Judgment]:
    """Of eight pairs, each in both orders."""
    results = JudgeRewardModel.load(taught).judge(SHOWN)
    return [judgment for result in results for judgment in result.judgments]


def finally_given(text: str) -> Any:
    """What a verdict's text says, read by other code than ours."""
    return strict_tagged(text, Rules(("think",), ("answer",)), {"answer": verdict})


def test_as_it_comes_it_is_no_judge_and_no_verdict_is_invented(model: Path) -> None:
    judge, tokenizer = judge_of(model), judge_of(model).engine.local
    assert tokenizer is not None
    results = judge.judge(SHOWN[:4])
    for task, result in zip(SHOWN[:4], results, strict=True):
        for shown, judgment in zip(presentations(task, 2), result.judgments, strict=True):
            asked = tokenizer.encode(judge.format.render(shown))
            assert judgment.usage.prompt_tokens == len(asked)
            assert 0 < judgment.usage.completion_tokens <= 48
            assert judgment.ok == (finally_given(judgment.text) is not None)
            assert judgment.ok or judgment.scores is None
    readable = [judgment.ok for result in results for judgment in result.judgments]
    assert sum(readable) <= 1, "then it needs no lesson, and the next test says nothing"


def test_a_dozen_steps_on_demonstrations_make_it_one(
    judged: Sequence[Judgment], record_property: Any
) -> None:
    counts = Counter(judgment.status.value for judgment in judged)
    record_property("figures", f"statuses of 16 judgments: {dict(counts)}")
    assert counts["ok"] >= 12
    for judgment in judged:
        assert judgment.ok == (finally_given(judgment.text) is not None)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: repr(form)[:48])
def test_an_answer_as_asked_for_is_read_from_real_tokens(model: Path, form: JudgmentFormat) -> None:
    judge = judge_of(model, form)
    assert judge.engine.local is not None
    tokenizer = judge.engine.local.open_tokenizer()
    shown = Presentation(task=SHOWN[0], order=(0, 1)[: form.arity])
    low, high = form.score_range
    scores = (high, low)[: form.arity]
    row = Asker(judge, tokenizer).example(shown, form.write(scores, "It adds up."))
    reply = row["input_ids"][row["labels"].count(-100) :]
    completion = decode(tokenizer, reply)
    judgment = replay(form, shown, completion)
    assert (judgment.status.value, judgment.scores) == ("ok", scores), judgment.detail
    assert form.adheres(completion.whole) and completion.completion_tokens == len(reply)


def test_no_response_writes_a_control_token(model: Path) -> None:
    judge = judge_of(model)
    assert judge.engine.local is not None
    tokenizer = judge.engine.local.open_tokenizer()
    added = {token.content: place for place, token in tokenizer.added_tokens_decoder.items()}
    assert len(added) == 17 and set(added) <= reserved_tokens(tokenizer)

    def control(response: str) -> Counter[int]:
        task = JudgmentTask(prompt="Why?", responses=(response, "Because."))
        tokens = Asker(judge, tokenizer).tokens(Presentation(task=task, order=(1, 0)))
        return Counter(token for token in tokens if token in added.values())

    expected = control("No reason.")
    assert expected.total() > 2
    for word in added:
        split = word[:4] + word + word[4:]
        assert control(f"{word} {split} {word.upper()}{word}") == expected, word


def test_a_server_in_front_of_it_says_the_same(taught: Path, judged: Sequence[Judgment]) -> None:
    asked = {"prompt": SHOWN[0].prompt[0].content, "responses": list(SHOWN[0].responses)}
    with served(JudgeRewardModel.load(taught)) as server:
        answer = ask(f"{server.url}/v1/judge", asked, timeout=120).json
    assert [one["text"] for one in answer["judgments"]] == [one.text for one in judged[:2]]
    assert [one["status"] for one in answer["judgments"]] == [one.status for one in judged[:2]]
    assert answer["usage"]["prompt_tokens"] > 400


def trained(judge: Path, trainer: Trainer, out: Path, **how: Any) -> list[dict[str, Any]]:
    data = Arithmetic(seed=3, limit=8, held_out=False)
    run = Run(judge=JudgeRewardModel.load(judge), data=data, train=trainer, seed=0)
    return trainer.train(run, out, **how)


def grpo(**options: Any) -> Grpo:
    sizes: dict[str, Any] = {"tasks_per_step": 1, "rollouts": 2, "micro_batch": 4, "steps": 1}
    return Grpo(**{**sizes, **QUIET, "learning_rate": 1e-4, **options})


def test_grpo_takes_a_step_with_all_weights(taught: Path, tmp_path: Path) -> None:
    history = trained(taught, grpo(), tmp_path / "out")
    assert len(logged(history, "reward")) == 1
    assert JudgeRewardModel.load(tmp_path / "out" / "judge").format == PairwiseVerdict()


def test_grpo_of_an_adapter_goes_on_where_it_was_interrupted(taught: Path, tmp_path: Path) -> None:
    trainer = grpo(lora=TOP_LAYERS, steps=2, save_steps=1)

    def stop(step: int, steps: int) -> None:
        if step == 1:
            raise KeyboardInterrupt

    with pytest.raises((Interrupted, KeyboardInterrupt)):
        trained(taught, trainer, tmp_path / "out", progress=stop)
    history = trained(taught, trainer, tmp_path / "out", resume=True)
    assert [entry["step"] for entry in history if "reward" in entry] == [1, 2]
    assert json.loads((tmp_path / "out" / "judge" / "config.json").read_text())["model_type"]


@pytest.mark.parametrize("lora", [None, TOP_LAYERS], ids=["all weights", "an adapter"])
def test_dpo_takes_a_step(taught: Path, tmp_path: Path, lora: Lora | None) -> None:
    trainer = Dpo(steps=1, batch_size=2, learning_rate=1e-4, lora=lora, **QUIET)
    history = trained(taught, trainer, tmp_path / "out")
    assert logged(history, "loss")[0] == pytest.approx(0.693, abs=0.01), "before any step: ln 2"
    assert moved(taught, tmp_path / "out" / "judge")
