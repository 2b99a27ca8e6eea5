"""Judging through a cache: killed and resumed, forked, with models that are trained anew."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from asking import ask
from j1sdk_spct import MetaJudge
from killing import asked, finish, kill_at, make_home, start

from j1sdk import (
    Cached,
    Completion,
    Conversation,
    Engine,
    JudgeRewardModel,
    JudgmentTask,
    Pointwise,
    Sampling,
    Scripted,
    Transformers,
)
from j1sdk.background import run
from j1sdk.judging import METRICS_FILE
from j1sdk.judgments import JUDGMENTS_FILE
from j1sdk.run import dump_run, read_run

TASKS = 120
NEEDED = 2 * TASKS


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a plugin, its distribution and the data."""
    make_home(tmp_path, TASKS)
    return tmp_path


def stored(home: Path, name: str) -> int:
    with closing(sqlite3.connect(home / f"{name}.sqlite")) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM completions")
    return int(count)


def test_after_kill_9_nothing_is_lost_and_nothing_paid_twice(home: Path) -> None:
    finish(start(home, "whole"))
    assert (len(asked(home, "whole")), stored(home, "whole")) == (NEEDED, NEEDED)
    seen = [(0, 0)]
    for count in (NEEDED // 4, NEEDED // 2):
        kill_at(start(home, "killed"), home, "killed", count)
        seen.append((len(asked(home, "killed")), stored(home, "killed")))
    finish(start(home, "killed"))
    seen.append((len(asked(home, "killed")), stored(home, "killed")))

    lost = [now[0] - then[0] - (now[1] - then[1]) for then, now in pairwise(seen)]
    assert all(0 <= one <= 4 for one in lost[:2]) and lost[2] == 0, "those in flight, no others"
    assert 0 < seen[1][1] < seen[2][1] < NEEDED == seen[3][1]
    begun = Counter(asked(home, "killed"))
    assert (len(begun), begun.total()) == (NEEDED, NEEDED + sum(lost))
    for file in (JUDGMENTS_FILE, METRICS_FILE):
        assert (home / "killed" / file).read_bytes() == (home / "whole" / file).read_bytes()
    assert len((home / "killed" / JUDGMENTS_FILE).read_bytes().splitlines()) == NEEDED


def test_processes_that_judge_at_once_do_not_mind_each_other(home: Path) -> None:
    for process in [start(home, "shared", out) for out in ("one", "two")]:
        finish(process)
    paid = len(asked(home, "shared"))
    assert NEEDED <= paid <= 2 * NEEDED and stored(home, "shared") == NEEDED
    finish(start(home, "shared", "three"))
    assert len(asked(home, "shared")) == paid
    written = {(home / out / JUDGMENTS_FILE).read_bytes() for out in ("one", "two", "three")}
    assert len(written) == 1


FORKING = """
import os, sys
from pathlib import Path
from j1sdk import Cached, Message, Sampling, Scripted
from j1sdk.background import run

engine = Scripted(script=lambda asked, _: asked[0].content * 2)
cached = Cached(engine=engine, path=Path(sys.argv[1]))

def said(text):
    return run(cached.complete((Message(role="user", content=text),), Sampling())).text

assert said("before") == "beforebefore"
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    assert said("child") == "childchild" and (cached.hits, cached.misses) == (1, 1)
    assert said("after") == "afterafter"
else:
    assert [said("before"), said("child")] == ["beforebefore", "childchild"]
    assert (cached.hits, cached.misses) == (1, 1), "what the child found and asked"
run(cached.close())
"""


def test_a_forked_process_opens_the_file_anew(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING]
    done = subprocess.run(
        [*command, str(tmp_path / "cache.sqlite")], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A model's directory, to be trained anew."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def answered(model: Path, **options: Any) -> tuple[Completion, int]:
    """What a model says and how often it was asked, through a cache in its own directory."""
    engine = Transformers(model=str(model), device="cpu", dtype="float32", **options)
    cached = Cached(engine=engine, path=model / "cache.sqlite")
    completion = run(cached.complete(ask("hi"), Sampling(max_new_tokens=8)))
    run(cached.close())
    return completion, cached.misses


def trained(model: Path) -> None:
    """Other weights in the same files."""
    from safetensors.torch import load_file, save_file

    path, new = model / "model.safetensors", model / "new.safetensors"
    weights = {name: -tensor for name, tensor in load_file(path).items()}
    save_file(weights, new, metadata={"format": "pt"})
    new.replace(path)  # the old file may be mapped into a model's memory


def test_a_model_that_was_trained_in_place_is_another(model: Path) -> None:
    first, asked_first = answered(model)
    assert (asked_first, answered(model)) == (1, (first, 0))
    size = (model / "model.safetensors").stat().st_size
    trained(model)
    assert (model / "model.safetensors").stat().st_size == size
    second, asked_again = answered(model)
    assert asked_again == 1 and second.text != first.text


def test_what_is_written_beside_a_model_does_not_make_it_another(model: Path) -> None:
    first, _ = answered(model)
    for name in ("j1.toml", "judgments.jsonl", "README.md", "checkpoint/model.safetensors"):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text("new", encoding="utf-8")
    assert answered(model, batch_size=2) == (first, 0)


class Panel(Engine):
    """An engine around others: only the first is asked."""

    name = "panel"
    engines: tuple[Engine, ...]

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await self.engines[0].complete(conversation, sampling)


def test_models_deep_inside_and_adapters_count_too(tmp_path: Path) -> None:
    folders = [tmp_path / "model", tmp_path / "adapter"]
    for folder in folders:
        folder.mkdir()
        (folder / "config.json").write_text("1", encoding="utf-8")
    named = Transformers(model=str(folders[0]), adapter=str(folders[1]))
    panel = Panel(engines=(Scripted(answers=("a",)), named))

    def key() -> bytes:
        return Cached(engine=panel, path=tmp_path / "c")._store.key(ask("hi"), Sampling())

    keys = {key(), key()}
    for folder in folders:
        (folder / "config.json").write_text("22", encoding="utf-8")
        keys |= {key(), key()}
        (folder / "model.bin").touch()
        keys |= {key(), key()}
    assert len(keys) == 5


def test_the_files_are_those_that_were_read(model: Path) -> None:
    """A judge opens its model for `reserved`, before it completes; training may come between."""
    path = model / "cache.sqlite"
    engine = Transformers(model=str(model), device="cpu", dtype="float32")
    old = Cached(engine=engine, path=path)
    assert old.reserved
    trained(model)
    said = run(old.complete(ask("hi"), Sampling(max_new_tokens=8)))
    run(old.close())
    assert old.misses == 1
    again, times = answered(model)
    assert times == 1 and again.text != said.text


NESTED = """
[judge]
format = "pointwise"
sampling = { temperature = 1.0, seed = 1 }

[judge.engine]
name = "cached"
path = "deep/cache.sqlite"
engine = { name = "transformers", model = "model", adapter = "./lora", batch_size = 3 }

[judge.scaling]
name = "meta-judge"
format = "pointwise"

[judge.scaling.engine]
name = "cached"
path = "/abs.sqlite"

[judge.scaling.engine.engine]
name = "cached"
path = "x.sqlite"

[judge.scaling.engine.engine.engine]
name = "transformers"
model = "maker/model"
template_options = { path = "p", model = "model" }
"""


def test_paths_inside_wrapped_engines_are_relative_to_the_run_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs"
    (folder / "model").mkdir(parents=True)
    (folder / "run.toml").write_text(NESTED, encoding="utf-8")
    found = read_run(Path("runs/run.toml"))
    inner = Transformers(model=str(folder / "model"), adapter=f"{folder}/lora", batch_size=3)
    assert found.judge.engine == Cached(engine=inner, path=folder / "deep" / "cache.sqlite")
    assert isinstance(found.judge.scaling, MetaJudge)
    options = {"path": "p", "model": "model"}
    remote = Transformers(model="maker/model", template_options=options)
    nested = Cached(engine=remote, path=folder / "x.sqlite")
    assert found.judge.scaling.engine == Cached(engine=nested, path=Path("/abs.sqlite"))
    (folder / "again.toml").write_text(dump_run(found), encoding="utf-8")
    assert read_run(folder / "again.toml") == found


def test_results_and_usage_are_those_of_the_first_time(tmp_path: Path) -> None:
    said = Pointwise().write((7.0,))
    task = JudgmentTask(prompt="p", responses=("r", "s"))
    results = []
    for script in (lambda asked, sampling: said, None):  # the second time there is no model
        engine = Cached(engine=Scripted(script=script), path=tmp_path / "cache.sqlite")
        results.append(JudgeRewardModel(format=Pointwise(), engine=engine).judge([task]))
        run(engine.close())
    assert results[0] == results[1] and results[0][0].usage.completion_tokens > 0
