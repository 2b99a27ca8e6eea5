"""Everything in the plugin guide is run: its blocks, its tests, its commands."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from j1sdk_data.testing import BuilderContract

import j1sdk.testing
from j1sdk import JudgeRewardModel, PairwiseVerdict, Scripted, hookspecs
from j1sdk.catalogue import DISABLE, Catalogue
from j1sdk.component import Component
from j1sdk.run import Run
from j1sdk.testing import ComponentContract

GUIDE = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", GUIDE, re.MULTILINE | re.DOTALL))
CONTRACTS = {
    contract.abstract.kind: contract
    for contract in (*vars(j1sdk.testing).values(), BuilderContract)
    if isinstance(contract, type) and issubclass(contract, ComponentContract)
    if hasattr(contract, "abstract")
}

ADAPTER_SUITE = """
import asyncio
from j1sdk.testing import AdapterContract
from my_trainer import MyTrainer

class TestMyTrainer(AdapterContract):
    component = MyTrainer()
    grouped = False

    def call(self, adapter, scorer, rows):
        reward = adapter.reward_function(scorer)
        asked = (reward(row.response, {"question": row.prompt}) for row in rows)
        return [asyncio.run(one)["score"] for one in asked]
"""
INNER = ("ComponentContract", "Compare", "Drawing")
"""Parts of the contract suite that only those who write a contract need."""


def blocks(text: str, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def signatures() -> dict[str, str]:
    """Each hook's `def` line, as it is written in hookspecs."""
    tree = ast.parse(inspect.getsource(hookspecs))
    hooks = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {
        hook.name: f"def {hook.name}() -> {ast.unparse(hook.returns or hook)}" for hook in hooks
    }


def module(name: str, source: str) -> ModuleType:
    made = ModuleType(name)
    exec(compile(source, name, "exec", dont_inherit=True), made.__dict__)
    return made


def example(kind: str) -> ModuleType:
    (source,) = blocks(SECTIONS[kind])
    return module(f"{kind}_example", source)


def offered(kind: str) -> Any:
    """The one class or command that the section's example offers."""
    plugin = example(kind)
    host = Catalogue.of(plugin)
    (name,) = host.names(kind)
    return host.commands()[name] if kind == "commands" else host.find(kind, name)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the guide's files, known as a distribution by the guide's own two lines."""
    for source in blocks(GUIDE):
        if name := re.match(r"# (\w+\.py)\n", source):
            (tmp_path / name[1]).write_text(source, encoding="utf-8")
    (described,) = blocks(GUIDE, "toml")
    points = tomllib.loads(described)["project"]["entry-points"]["j1sdk"]
    info = tmp_path / "j1_thumbs-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: j1-thumbs\nVersion: 0.3\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[j1sdk]\n{lines}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(DISABLE, raising=False)
    yield tmp_path
    sys.modules.pop("thumbs", None)


def run_in(folder: Path, *command: str, **variables: str) -> str:
    path = os.pathsep.join([str(folder), str(Path(j1sdk.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", **variables}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guide_is_about_all_hooks_and_only_those() -> None:
    assert list(SECTIONS) == list(signatures())


@pytest.mark.parametrize("hook", signatures())
def test_every_hook_is_documented_with_its_signature(hook: str) -> None:
    assert SECTIONS[hook].lstrip().splitlines()[0] == f"`{signatures()[hook]}`"


@pytest.mark.parametrize("hook", signatures())
def test_every_hook_has_an_example_the_host_takes(hook: str) -> None:
    assert offered(hook).name


def test_the_first_plugin_is_about_thirty_lines() -> None:
    source = blocks(GUIDE)[0]
    assert len([line for line in source.splitlines() if line.strip()]) <= 33


def test_the_first_plugin_is_found_by_the_guides_two_lines(written: Path) -> None:
    found = Catalogue.discover()
    (record,) = [one for one in found.records if one.name == "thumbs"]
    assert (record.status, record.provider) == ("loaded", "j1-thumbs 0.3")
    assert found.find("formats", "thumbs").__module__ == "thumbs"


def test_the_first_plugins_tests_pass(written: Path) -> None:
    output = run_in(written, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_thumbs.py")
    checks = [name for name in dir(CONTRACTS["formats"]) if name.startswith("test_")]
    assert f"{len(checks)} passed" in output
    assert len(checks) in range(7, 10), "the guide says some eight"


def test_j1_plugins_lists_the_first_plugin(written: Path) -> None:
    command = ("-c", "from j1sdk.cli import main; main()", "plugins")
    table = run_in(written, *command)
    assert re.search(r"thumbs\W+j1-thumbs 0\.3\W+loaded\W+formats: thumbs", table)
    records = json.loads(run_in(written, *command, "--json", **{DISABLE: "thumbs,csv-pairs"}))
    assert {one["name"]: one["status"] for one in records}["thumbs"] == "disabled"


def test_the_closing_example_runs(written: Path) -> None:
    module("closing", blocks(GUIDE)[-1])


def build(kind: str, folder: Path) -> Component:
    """The section's component, with the options it cannot do without."""
    table = folder / "pairs.csv"
    table.write_text("prompt,chosen,rejected\n2+2?,4,5\n3+3?,6,7\n", encoding="utf-8")
    answered = folder / "answered.jsonl"
    answered.write_text(
        '{"prompt": "Colours?", "response": "Red. Blue."}\n{"prompt": "2?", "response": "2."}\n',
        encoding="utf-8",
    )
    official = folder / "translations.jsonl"
    official.write_text(
        '{"id": 1, "language": "de", "source": "cat", "better": "Katze", "worse": "Hund"}\n'
        '{"id": 2, "language": "fr", "source": "cat", "better": "chat", "worse": "chien"}\n',
        encoding="utf-8",
    )
    talker = Scripted(script=lambda asked, sampling: f"{asked[0].content} " * 20)
    needed: dict[str, dict[str, Any]] = {
        "engines": {"engine": talker, "path": folder / "record.jsonl"},
        "sources": {"path": table},
        "builders": {"path": answered},
        "benchmarks": {"path": official},
    }
    component: Component = offered(kind)(**needed.get(kind, {}))
    return component


def contract_checks() -> list[tuple[str, str]]:
    return [
        (kind, name)
        for kind, contract in sorted(CONTRACTS.items())
        if kind != "adapters"  # whose suite has to say how the framework calls it
        for name in dir(contract)
        if name.startswith("test_")
    ]


@pytest.mark.parametrize("kind, check", contract_checks())
def test_every_example_keeps_its_contract(kind: str, check: str, tmp_path: Path) -> None:
    assert CONTRACTS[kind].__name__ in SECTIONS[kind]
    suite = type("Suite", (CONTRACTS[kind],), {"component": build(kind, tmp_path)})
    getattr(suite(), check)()


def test_every_kind_with_a_contract_is_in_the_guide() -> None:
    assert set(CONTRACTS) == set(signatures()) - {"trainers", "exports", "dialects", "commands"}


def test_the_adapter_example_keeps_its_contract(tmp_path: Path) -> None:
    assert "AdapterContract" in SECTIONS["adapters"]
    (source,) = blocks(SECTIONS["adapters"])
    (tmp_path / "my_trainer.py").write_text(source, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(ADAPTER_SUITE, encoding="utf-8")
    output = run_in(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert re.search(r"1\d passed, 1 skipped", output), output


def test_the_engine_example_records_what_was_asked_and_answered(tmp_path: Path) -> None:
    verdict = PairwiseVerdict().write((1.0, 0.0))
    answering = Scripted(script=lambda asked, sampling: verdict)
    engine = offered("engines")(engine=answering, path=tmp_path / "record.jsonl")
    JudgeRewardModel(format=PairwiseVerdict(), engine=engine).rank("Sum?", ["4", "5"])
    lines = (tmp_path / "record.jsonl").read_text(encoding="utf-8").splitlines()
    recorded = [json.loads(line) for line in lines]
    asked = [[message.model_dump() for message in one] for one in answering.asked]
    assert len(asked) == 2 and [line["asked"] for line in recorded] == asked
    assert {(line["text"], line["temperature"]) for line in recorded} == {(verdict, 0.0)}


def test_the_source_example_names_line_and_column(tmp_path: Path) -> None:
    source = build("sources", tmp_path)
    (tmp_path / "pairs.csv").write_text("prompt,chosen\n2+2?,4\n", encoding="utf-8")
    with pytest.raises(j1sdk.DataError, match=r"pairs\.csv, line 2: no column 'rejected'"):
        source.load()  # type: ignore[attr-defined]


def test_the_trainer_example_leaves_a_judge_that_opens(tmp_path: Path) -> None:
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted(answers=("?",)))
    trainer = offered("trainers")()
    assert trainer.train(Run(judge=judge, train=trainer), tmp_path) == []
    assert JudgeRewardModel.load(tmp_path / "judge") == judge


def test_the_command_example_counts(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"prompt": "2+2?", "chosen": "4", "rejected": "5"}\n', encoding="utf-8")
    assert CliRunner().invoke(offered("commands"), [str(pairs)]).output == "1\n"


def test_the_guide_names_what_the_code_names() -> None:
    assert DISABLE in GUIDE
    for helper in j1sdk.testing.__all__:
        assert helper in GUIDE or helper in INNER, f"{helper} is missing"
    for plugin in (Path(__file__).parents[1] / "plugins").glob("*/pyproject.toml"):
        assert plugin.parent.name in GUIDE
