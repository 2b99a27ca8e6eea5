"""What the page on benchmarks says of each is what each is."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import tomli_w
from benchmark_results import write
from click.testing import CliRunner
from j1sdk_data.builders.constraints import ConstraintChecks
from j1sdk_data.builders.followbench import FollowBenchPairs
from j1sdk_data.building import read_build

from j1sdk import JudgeRewardModel, PairwiseVerdict, Scripted
from j1sdk.catalogue import catalogue
from j1sdk.cli import j1
from j1sdk.evaluation.benchmarks import Benchmark

PAGE = (Path(__file__).parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
ROWS = {
    name: [cell.strip() for cell in rest.split("|")]
    for name, rest in re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", PAGE, re.M)
}
(BUILD_FILE,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
COMMANDS = [shlex.split(line) for line in re.findall(r"^    (j1 .*)$", PAGE, re.M)]


def benchmark(name: str) -> Benchmark:
    found = catalogue().find("benchmarks", name)
    assert issubclass(found, Benchmark)
    return found()


def test_every_benchmark_is_in_the_table() -> None:
    assert set(ROWS) == set(catalogue().names("benchmarks"))


@pytest.mark.parametrize("name", ROWS)
def test_its_row_is_true(name: str) -> None:
    tasks, headline, records = ROWS[name]
    found = benchmark(name)
    assert headline == f"`{found.headline}`"
    if found.size is not None:
        assert f"{found.size:,}" in tasks
    if found.hub:
        assert records == f"hub: {found.hub}"
    if records.startswith("files: "):
        assert not found.hub and records.removeprefix("files: ") in found.how


def test_its_pairs_are_built_and_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its build file and its commands, with models that say what they are told."""
    monkeypatch.chdir(tmp_path)
    described = tomllib.loads(BUILD_FILE)["builder"]
    checks = ConstraintChecks(constraints=1)
    described["engine"] = {"name": "scripted", "answers": ["Hi.", "Hello, sir."]}
    described["checker"] = {
        "name": "scripted", "answers": [checks.write((0.0,)), checks.write((1.0,))],
    }  # fmt: skip
    described["types"] = ["style"]
    entries = [
        {"example_id": 1, "level": level, "source": "oasst", "instruction": text, "target": ""}
        for level, text in enumerate(("Say hello.", "Say hello, politely."))
    ]
    write(tmp_path / "FollowBench" / "data" / "style_constraints.json", entries)
    Path("followbench.toml").write_text(tomli_w.dumps({"builder": described}), encoding="utf-8")
    form = PairwiseVerdict()
    engine = Scripted(answers=(form.write((1.0, 0.0)), form.write((0.0, 1.0))) * 9)
    JudgeRewardModel(format=form, engine=engine).save("runs/my-judge")
    prompt = {
        "id": 1, "domain": "chat", "prompt": "?",
        "chosen": ["a", "b", "c"], "rejected": ["d", "e", "f"],
    }  # fmt: skip
    write(tmp_path / "total_dataset.json", [prompt])
    from_hub, *rest = COMMANDS
    for command in ([*from_hub, "--data", "total_dataset.json"], *rest):
        ran = CliRunner().invoke(j1, command[1:], catch_exceptions=False)
        assert ran.exit_code == 0, ran.output
    found = json.loads(Path("runs/followbench/evaluation.json").read_text(encoding="utf-8"))
    scores = {one["name"]: one["value"] for one in found["strict"]["scores"]}
    assert scores["position-consistent accuracy"] == scores["L1"] == scores["style"] == 1.0


def test_its_build_file_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "followbench.toml"
    path.write_text(BUILD_FILE, encoding="utf-8")
    builder = read_build(path)
    assert isinstance(builder, FollowBenchPairs)
    assert builder.path == tmp_path / "FollowBench" / "data"
    assert (builder.samples, builder.checker.name) == (8, "openai")


def test_the_options_it_names_are_options() -> None:
    (setting,) = re.findall(r'--set "(.*?)"', PAGE)
    name, _, value = setting.partition("=")
    known = catalogue().find("benchmarks", "rm-bench").model_validate({name: value})
    assert known.model_dump()[name] == value
