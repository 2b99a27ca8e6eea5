"""A plugin in somebody else's distribution: a source with files of its own, a format around one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from j1sdk import ConfigError, JudgmentStatus, PairwiseVerdict, Pointwise, read_run
from j1sdk.catalogue import Catalogue
from j1sdk.reference import entries, schema

PLUGIN = '''
from pathlib import Path
from j1sdk import JudgmentFormat, JudgmentTask, Message, Source, hookimpl

class Logbook(Source):
    """Pairs from the lines of text files."""

    name = "logbook"
    pages: tuple[Path, ...]
    """The files."""
    index: Path | None = None
    """Another file."""

    def tasks(self):
        for page in self.pages:
            for line in page.read_text().splitlines():
                prompt, chosen, rejected = line.split("|")
                yield JudgmentTask.from_pair(prompt, chosen, rejected)

class Polite(JudgmentFormat):
    """Asks as another format does, and says please."""

    name = "polite"
    inner: JudgmentFormat
    """The other format."""

    arity = property(lambda self: self.inner.arity)
    score_range = property(lambda self: self.inner.score_range)
    sections = property(lambda self: self.inner.sections)

    def render(self, shown):
        *first, last = self.inner.render(shown)
        return (*first, last.replace(content=last.content + " Please."))

    def parse(self, text):
        return self.inner.parse(text)

    def write(self, scores, thought=""):
        return self.inner.write(scores, thought)

@hookimpl
def sources():
    return [Logbook]

@hookimpl
def formats():
    return [Polite]
'''
RUN = """
[judge]
format = { name = "polite", inner = "pairwise-verdict" }
engine = { name = "scripted", answers = ["<think>x</think><answer>[[A]]</answer>"] }
orders = "first"

[data]
name = "logbook"
pages = ["logs/one.txt"]
index = "logs/index"
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    """What is installed, a distribution with an entry point among it."""
    site = tmp_path / "site"
    info = site / "j1_outside-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "j1_outside.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: j1-outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[j1sdk]\noutside = j1_outside\n")
    monkeypatch.syspath_prepend(site)
    yield Catalogue.discover()
    sys.modules.pop("j1_outside", None)


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    (tmp_path / "runs" / "logs").mkdir(parents=True)
    (tmp_path / "runs" / "logs" / "one.txt").write_text("2+2?|4|5\n")
    path = tmp_path / "runs" / "run.toml"
    path.write_text(RUN)
    return path


def test_its_files_are_beside_the_run_file_whatever_the_option_is_called(
    installed: Catalogue, run_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    data = read_run(run_file, installed).data
    assert data is not None and [task.responses for task in data.load()] == [("4", "5")]
    assert data.model_dump(mode="json")["index"] == str(run_file.parent / "logs" / "index")


def test_its_format_judges_as_the_one_it_is_around(installed: Catalogue, run_file: Path) -> None:
    run = read_run(run_file, installed)
    assert run.data is not None
    (result,) = run.judge.judge(run.data.load())
    (judgment,) = result.judgments
    assert (judgment.status, judgment.scores) == (JudgmentStatus.OK, (1.0, 0.0))
    assert judgment.transcript[-2].content.endswith(" Please.")
    assert run.judge.format.model_dump() == {
        "name": "polite", "inner": PairwiseVerdict().model_dump(),
    }  # fmt: skip


def test_any_format_may_be_inside(installed: Catalogue, run_file: Path) -> None:
    run = read_run(run_file, installed, ["judge.format.inner.name=pointwise"])
    assert run.judge.format.arity == 1
    assert run.judge.format.score_range == Pointwise().score_range
    with pytest.raises(ConfigError, match=r"judge.format.inner: no format .*did you mean"):
        read_run(run_file, installed, ["judge.format.inner=pointwize"])


def test_it_is_described_like_our_own(installed: Catalogue) -> None:
    known = entries(installed)
    assert known["sources"]["logbook"].options[1].type == "list of Path"
    assert [option.type for option in known["formats"]["polite"].options] == ["format"]
    made = schema(installed)["$defs"]
    assert {"$ref": "#/$defs/Polite"} in made["JudgmentFormat"]["anyOf"]
    assert {"$ref": "#/$defs/Logbook"} in made["Source"]["anyOf"]
