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
from j1sdk_quickstart.quickstart import Quickstart, Sizes
from j1sdk_quickstart.sums import draw
from j1sdk_quickstart.tasks import Arithmetic
from transformers import AutoModelForCausalLM, AutoTokenizer

from j1sdk import ConfigError, JudgeRewardModel

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


def test_the_judge_starts_with_position_bias(metrics: dict[str, Any]) -> None:
    before = metrics["judge"]["before"]
    assert before["position_consistent_accuracy"] <= 0.30
    assert before["verdict_flip_rate"] >= 0.60


def test_training_makes_it_consistent_on_pairs_it_never_saw(metrics: dict[str, Any]) -> None:
    after = metrics["judge"]["after"]
    assert after["n"] >= 300
    assert after["position_consistent_accuracy"] >= 0.80
    assert after["verdict_flip_rate"] <= 0.12


def test_the_trained_judge_improves_the_policy_beyond_both_controls(
    metrics: dict[str, Any],
) -> None:
    policy = {name: found["exact_match"] for name, found in metrics["policy"].items()}
    gain = policy["after"] - policy["before"]
    assert gain >= 0.15
    for control in ("control_untrained_judge", "control_random"):
        assert gain >= 2 * (policy[control] - policy["before"])


def test_metrics_say_how_they_were_made(metrics: dict[str, Any]) -> None:
    for name in ("before", "after"):
        assert set(RATES) | {"n"} <= set(metrics["judge"][name])
    assert set(metrics["seconds"]) == {name for name, _ in Quickstart.stages}
    assert metrics["seed"] == 0
    assert {"python", "torch", "transformers", "trl", "j1sdk"} <= set(metrics["versions"])


def test_plain_transformers_opens_the_judge(out: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(out / "judge")
    tokenizer = AutoTokenizer.from_pretrained(out / "judge")
    assert model.config.model_type == "qwen3"
    assert tokenizer.chat_template


def test_the_saved_judge_judges_as_it_was_measured(out: Path, metrics: dict[str, Any]) -> None:
    tasks = Arithmetic(seed=100, limit=40).load()
    results = JudgeRewardModel.load(out / "judge").judge(tasks)
    assert sum(result.preferred == 0 for result in results) >= 28


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


def test_eval_measures_the_judge_on_fresh_pairs(out: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("j1")), "eval", str(out / "judge"), "--source",
         "arithmetic", "--seed", "123", "--limit", "300", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["n"] == 300
    assert found["position_consistent_accuracy"] >= 0.75
    assert set(RATES) <= set(found)


def started(out: Path) -> tuple[list[str], Any]:
    titles: list[str] = []

    def announce(title: str) -> Any:
        titles.append(title)
        return lambda done, total: None

    return titles, announce


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
