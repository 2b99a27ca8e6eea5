"""The quickstart does what the README promises, with its controls beside it."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from j1sdk_quickstart import policy
from j1sdk_quickstart.quickstart import Quickstart, Sizes
from j1sdk_quickstart.sums import draw
from j1sdk_quickstart.tasks import Arithmetic
from learnt import ALPHA, START, right_in, right_in_both, sign_test
from transformers import AutoModelForCausalLM, AutoTokenizer

from j1sdk import ConfigError, JudgeRewardModel, Sampling
from j1sdk.types import JudgeResult

RATES = (
    "accuracy",
    "position_consistent_accuracy",
    "verdict_flip_rate",
    "tie_rate",
    "invalid_rate",
)


@pytest.fixture(scope="session")
def metrics(quickstart_home: Path) -> dict[str, Any]:
    path = quickstart_home / "runs" / "quickstart" / "metrics.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def out(quickstart_home: Path) -> Path:
    return quickstart_home / "runs" / "quickstart"


@pytest.fixture(scope="session")
def judged(out: Path) -> dict[str, list[JudgeResult]]:
    """What the judge says before and after its training, at temperature 1, of the same sums.

    A greedy verdict is a threshold: how close the biased judge is to it is a matter of luck.
    """
    folders = {"before": out / "stages" / "warm_start" / "judge", "after": out / "judge"}
    tasks = Arithmetic(seed=100 + START, limit=200).load()
    sampling = Sampling(temperature=1.0, max_new_tokens=48, seed=1)
    return {
        name: JudgeRewardModel.load(folder, sampling=sampling).judge(tasks)
        for name, folder in folders.items()
    }


def test_the_judge_starts_with_position_bias(judged: dict[str, list[JudgeResult]]) -> None:
    """It is right about more pairs whose right response comes first than about turned ones."""
    first, second = (right_in(judged["before"], order) for order in ("0,1", "1,0"))
    assert sign_test(first, second).p < ALPHA


def test_training_makes_it_consistent_on_pairs_it_never_saw(
    metrics: dict[str, Any], judged: dict[str, list[JudgeResult]], record_property: Any
) -> None:
    before, after = metrics["judge"]["before"], metrics["judge"]["after"]
    found = sign_test(right_in_both(judged["after"]), right_in_both(judged["before"]))
    rates = [f"{one['position_consistent_accuracy']:.3f}" for one in (before, after)]
    told = f"start {START}, consistent {' -> '.join(rates)} greedily; at T = 1 {found}"
    record_property("figures", told)
    assert after["n"] >= 300
    assert found.p < ALPHA


@pytest.mark.parametrize("control", ["policy_warm_start", "untrained_judge", "random"])
def test_the_trained_judge_improves_the_policy_beyond_both_controls(
    control: str, out: Path, metrics: dict[str, Any], record_property: Any
) -> None:
    asked = policy.sums(400, START + 5, held_out=True)

    def right(arm: str) -> list[bool]:
        written = policy.answers(out / "stages" / arm, asked, 0.0, START)
        return [text.strip() == one.answer for text, one in zip(written, asked, strict=True)]

    found = sign_test(right("trained_judge"), right(control))
    exact = {name: one["exact_match"] for name, one in metrics["policy"].items()}
    record_property("figures", f"start {START}, exact match {exact}; to {control} {found}")
    assert found.p < ALPHA


def test_metrics_say_how_they_were_made(metrics: dict[str, Any]) -> None:
    for name in ("before", "after"):
        assert set(RATES) | {"n"} <= set(metrics["judge"][name])
    assert set(metrics["seconds"]) == {name for name, _ in Quickstart.stages}
    assert metrics["seed"] == START
    assert {"python", "torch", "transformers", "trl", "j1sdk"} <= set(metrics["versions"])


def test_plain_transformers_opens_the_judge(out: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(out / "judge")
    tokenizer = AutoTokenizer.from_pretrained(out / "judge")
    assert model.config.model_type == "qwen3"
    assert tokenizer.chat_template


def test_the_saved_judge_judges_as_it_was_measured(out: Path, metrics: dict[str, Any]) -> None:
    tasks = Arithmetic(seed=100 + START, limit=40).load()
    results = JudgeRewardModel.load(out / "judge").judge(tasks)
    right = sum(result.preferred == 0 for result in results)
    assert right / 40 > metrics["judge"]["after"]["position_consistent_accuracy"] - 0.2


def test_the_judge_was_never_shown_the_sums_it_is_measured_on() -> None:
    generator = random.Random(1)
    trained = {draw(generator, held_out=False) for _ in range(3000)}
    measured = {draw(generator, held_out=True) for _ in range(3000)}
    assert not trained & measured


class Page(HTMLParser):
    """What a page loads, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value for name, value in attrs if name in ("src", "srcset") and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_file_with_numbers_curves_and_transcripts(
    out: Path, metrics: dict[str, Any]
) -> None:
    page, html = Page(), (out / "report.html").read_text(encoding="utf-8")
    page.feed(html)
    assert not [url for url in page.loads if not url.startswith("data:")]
    assert html.count("<svg") >= 6
    assert f"{metrics['judge']['after']['position_consistent_accuracy']:.3f}" in page.text
    assert "[[A]]" in page.text and "right" in page.text


def test_eval_measures_the_judge_on_fresh_pairs(out: Path, metrics: dict[str, Any]) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("j1")), "eval", str(out / "judge"), "--source",
         "arithmetic", "--seed", "123", "--limit", "300", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["n"] == 300
    known = metrics["judge"]["after"]["position_consistent_accuracy"]
    assert found["position_consistent_accuracy"] == pytest.approx(known, abs=0.2)
    assert set(RATES) <= set(found)


def started(out: Path) -> tuple[list[str], Any]:
    titles: list[str] = []

    def announce(title: str) -> Any:
        titles.append(title)
        return lambda done, total: None

    return titles, announce


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    journey, (titles, announce) = Quickstart(tmp_path, 5, Sizes.small()), started(tmp_path)

    def interrupted(title: str) -> Any:
        if title.startswith("Train the judge"):
            raise KeyboardInterrupt
        return announce(title)

    with pytest.raises(KeyboardInterrupt):
        journey.run(interrupted)
    before = len(titles)
    metrics = journey.run(announce, resume=True)
    assert titles == [title for _, title in Quickstart.stages]
    assert before < len(titles)
    assert metrics["seed"] == 5


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        Quickstart(tmp_path, 0).run(lambda title: lambda done, total: None)
    with pytest.raises(ConfigError, match="something else"):
        Quickstart(tmp_path, 0).run(lambda title: lambda done, total: None, resume=True)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_finished_run_with_another_seed_is_not_mistaken_for_this_one(
    out: Path, tmp_path: Path
) -> None:
    shutil.copy(out / "quickstart.json", tmp_path / "quickstart.json")
    with pytest.raises(ConfigError, match="something else"):
        Quickstart(tmp_path, 1).run(lambda title: lambda done, total: None, resume=True)
