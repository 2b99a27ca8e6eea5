"""What can be asked for is described: every option, on the screen, on a page, in a schema."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from j1sdk import ConfigError, Conversation, JudgmentFormat, Presentation, Scores, builtins
from j1sdk.catalogue import Catalogue, catalogue
from j1sdk.cli import j1
from j1sdk.reference import Entry, entries, page, schema
from j1sdk.testing import isolated_catalogue

ROOT = Path(__file__).parents[1]
ENTRIES = [entry for named in entries(catalogue()).values() for entry in named.values()]
RUN = {"judge": {"format": "pairwise-verdict", "engine": "scripted"}}


def call(*words: str) -> Result:
    return CliRunner().invoke(j1, [*words], catch_exceptions=False, terminal_width=100)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_every_option_says_what_it_is(entry: Entry) -> None:
    assert entry.description
    silent = [option.name for option in entry.options if not option.description.strip()]
    assert silent == []


def test_plugins_and_the_tables_of_a_run_file_are_among_them() -> None:
    known = {(entry.kind, entry.name) for entry in ENTRIES}
    assert {("formats", "rm-r1"), ("trainers", "grpo"), ("benchmarks", "rewardbench")} <= known
    assert {"Run", "JudgeRewardModel", "Sampling", "Serve", "Cluster"} <= {
        name for kind, name in known if kind == "tables"
    }


class Shout(JudgmentFormat):
    """Asks in capital letters."""

    name = "shout"
    inner: JudgmentFormat
    """What is asked."""
    volume: int = 11

    def render(self, shown: Presentation) -> Conversation:
        return ()

    def parse(self, text: str) -> Scores:
        return (1.0, 0.0)

    def write(self, scores: Scores, thought: str = "") -> str:
        return "A"


def test_an_option_without_a_word_is_noticed_in_a_plugin() -> None:
    (entry,) = entries(isolated_catalogue(Shout))["formats"].values()
    shown = [(option.type, option.default) for option in entry.options]
    assert shown == [("format", "required"), ("int", "11")]
    assert [option.description for option in entry.options] == ["What is asked.", ""]


def test_describe_goes_from_kinds_to_names_to_options() -> None:
    assert "grpo" in call("describe").output and "tables" in call("describe").output
    formats = call("describe", "formats").output
    assert "pairwise-verdict" in formats and formats == call("describe", "format").output
    shown = call("describe", "trainers", "grpo").output
    assert "learning_rate: float > 0 = 1e-06" in shown
    assert "\n    Completions per presentation: a GRPO group." in shown
    assert shown == call("describe", "grpo").output


@pytest.mark.parametrize(
    "words, hint",
    [
        (("formatz", "x"), "no kind is called 'formatz'; did you mean 'formats'"),
        (("trainers", "grpoo"), "nothing is called 'grpoo'; did you mean 'grpo'"),
        (("pairwize-verdict",), "did you mean 'pairwise-verdict'"),
    ],
)
def test_describe_knows_near_misses(words: tuple[str, ...], hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        call("describe", *words)


def test_the_page_of_the_documentation_is_this_one() -> None:
    written = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == page(catalogue()), "write it anew: j1 describe --page > docs/reference.md"
    assert call("describe", "--page").output == written


def problems(described: dict[str, Any], known: Catalogue | None = None) -> list[str]:
    made = schema(known or catalogue())
    return [problem.message for problem in Draft202012Validator(made).iter_errors(described)]


def test_the_schema_is_one() -> None:
    made = json.loads(call("schema").output)
    Draft202012Validator.check_schema(made)
    assert made["$defs"]["Sampling"]["properties"]["temperature"]["description"] == "0 is greedy."


RUN_FILES = [*ROOT.glob("examples/*.toml"), *ROOT.glob("examples/recipes/*.toml")]


@pytest.mark.parametrize("path", RUN_FILES, ids=lambda path: path.name)
def test_the_run_files_of_the_examples_follow_the_schema(path: Path) -> None:
    described = tomllib.loads(path.read_text(encoding="utf-8"))
    if "judge" in described:
        assert problems(described) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"judge": {**RUN["judge"], "format": "pairwise-verdikt"}},
        {"judge": {**RUN["judge"], "format": {"name": "pairwise-verdict", "thinkin": "plan"}}},
        {"judge": {**RUN["judge"], "format": {"name": "pairwise-verdict", "thinking": "plann"}}},
        {"judge": {**RUN["judge"], "format": {"thinking": "plan"}}},
        {"train": {"name": "grpo", "learning_rate": -1}},
        {"train": [{"name": "sft"}, {"name": "grpo", "lr": 1}]},
        {"sed": 1},
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_run_file_would(changed: dict[str, Any]) -> None:
    assert problems(RUN) == []
    assert problems({**RUN, **changed})


def test_the_schema_has_what_is_installed() -> None:
    format = {"name": "rm-r1"}
    described = {"judge": {**RUN["judge"], "format": format}}
    assert problems(described) == []
    assert problems(described, Catalogue.of(builtins))


def test_schema_writes_a_file_and_says_how_to_name_it(tmp_path: Path) -> None:
    out = tmp_path / "j1.schema.json"
    assert call("schema", "--out", str(out)).output == f"#:schema {out}\n"
    assert json.loads(out.read_text()) == schema(catalogue())
