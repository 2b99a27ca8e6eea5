"""Every distribution builds from what git has, and works from its wheel, without the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECTS = [ROOT, *sorted(ROOT.glob("plugins/*"))]
SCRIPT = """
import j1sdk
from j1sdk import JudgeRewardModel, JudgmentTask, PairwiseVerdict, Scripted

print(j1sdk.__file__)
answers = ("<think>a</think><answer>[[A]]</answer>", "<think>b</think><answer>[[B]]</answer>")
judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted(answers=answers))
(result,) = judge.judge([JudgmentTask.from_pair("?", "yes", "no")])
print(result.preferred, result.consistent)
"""


def ran(*words: object, cwd: Path) -> str:
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist of each."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    for name in ran("git", "ls-files", "--cached", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    for project in PROJECTS:
        build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist")
        ran(*build, source / project.relative_to(ROOT), cwd=folder)
    return folder / "dist"


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment, with the wheels and what they need."""
    home = tmp_path_factory.mktemp("fresh") / "env"
    ran(sys.executable, "-m", "venv", home, cwd=built)
    ran(home / "bin/pip", "install", "--no-index", "--no-deps", *built.glob("*.whl"), cwd=built)
    site = next(home.glob("lib/python*/site-packages"))
    # what they need is installed already; an editable checkout there is not found by way of a .pth
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin"


def test_each_has_a_wheel_and_an_sdist_with_a_licence(built: Path) -> None:
    assert len(list(built.glob("*.whl"))) == len(list(built.glob("*.tar.gz"))) == len(PROJECTS)
    (core,) = built.glob("j1sdk-*.tar.gz")
    with tarfile.open(core) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"LICENSE", "README.md", "j1sdk/py.typed", "j1sdk/server/page.html"} <= names
    assert not any(name.startswith(("tests/", "plugins/", "docs/")) for name in names)


def test_each_tells_type_checkers_that_it_is_typed(built: Path) -> None:
    for wheel in built.glob("*.whl"):
        package = wheel.name.partition("-")[0]
        assert f"{package}/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_a_judgment_is_made_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    where, verdict = ran(installed / "python", "-c", SCRIPT, cwd=tmp_path).splitlines()
    assert where.startswith(str(installed.parent)) and verdict == "0 True"


def test_the_command_and_every_plugin_are_there(installed: Path, tmp_path: Path) -> None:
    assert "quickstart" in ran(installed / "j1", "--help", cwd=tmp_path)
    told = ran(installed / "j1", "plugins", cwd=tmp_path)
    for project in PROJECTS[1:]:
        assert project.name in told
    assert "conflict" not in told and "broken" not in told


def test_the_quickstart_runs(installed: Path, tmp_path: Path) -> None:
    ran(installed / "j1", "quickstart", "--small", "--out", tmp_path / "out", cwd=tmp_path)
    assert (tmp_path / "out" / "report.html").is_file()
