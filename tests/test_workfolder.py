"""A folder of long work: killed, locked, full; the same in the end, and nothing done twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from killing import AT_ONCE, asked, finish, kill_at, make_home, start

from j1sdk import ConfigError, DataError, JudgeRewardModel, PairwiseVerdict, Scripted
from j1sdk.background import run
from j1sdk.data.jsonl import JsonLines
from j1sdk.judging import METRICS_FILE, Tasks, judge_to_folder
from j1sdk.judgments import JUDGMENTS_FILE, Transcribed
from j1sdk.workfolder import Lines, Log, claimed, spread

PAIRS, MANY_PAIRS = 100, 300


def named(line: bytes, where: str) -> str | None:
    """Of lines such as {"id": "a"}; those with "again" are to be done again."""
    try:
        values = json.loads(line)
        return None if "again" in values else str(values["id"])
    except (ValueError, KeyError) as error:
        raise DataError(f"{where} is not ours") from error


def line(name: str, **more: object) -> str:
    return json.dumps({"id": name, **more})


@pytest.mark.slow
def test_after_a_dead_server_only_what_failed_is_asked_again(tmp_path: Path) -> None:
    make_home(tmp_path, 12)
    (tmp_path / "down").write_text("Question")
    process = start(tmp_path, "judged", cached=False, seconds=0)
    shown, told = process.communicate(timeout=300)
    assert process.returncode == 1 and asked(tmp_path, "judged") == []
    assert "nothing could be judged: the engine failed on 24 of 24" in told
    assert "most often with: nobody is at home" in told and "0.000" not in shown
    (tmp_path / "down").write_text("Question 1")
    shown, told = start(tmp_path, "judged", cached=False, seconds=0).communicate(timeout=300)
    assert "the engine failed on 6 of 24 judgments" in told and len(asked(tmp_path, "judged")) == 18
    (tmp_path / "down").unlink()
    finish(start(tmp_path, "judged", cached=False, seconds=0))
    assert len(asked(tmp_path, "judged")) == 24


CLAIMING = """
import sys
from pathlib import Path
from j1sdk.errors import ConfigError
from j1sdk.workfolder import claimed

try:
    with claimed(Path(sys.argv[1]), "one", "work of another"):
        print("claimed")
except ConfigError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a plugin, and an undisturbed run."""
    home = tmp_path_factory.mktemp("home")
    make_home(home, PAIRS)
    finish(start(home, "whole", cached=False, seconds=0.001))
    assert len(asked(home, "whole")) == 2 * PAIRS
    return home


@pytest.mark.parametrize("cached", [False, True])
def test_killed_at_random_the_files_are_those_of_an_undisturbed_run(
    whole: Path, cached: bool
) -> None:
    check_killed(whole, PAIRS, kills=2, cached=cached)


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
def test_killed_fifty_times_it_loses_nothing(tmp_path: Path, cached: bool) -> None:
    make_home(tmp_path, MANY_PAIRS)
    finish(start(tmp_path, "whole", cached=False, seconds=0.001))
    check_killed(tmp_path, MANY_PAIRS, kills=50, cached=cached)


def check_killed(home: Path, pairs: int, kills: int, cached: bool) -> None:
    """Kill one run again and again, and compare what it leaves with the folder `whole`."""
    name = f"killed-{cached}"
    for count in sorted(random.Random(cached).sample(range(1, 2 * pairs), kills)):
        process = start(home, name, cached=cached, seconds=0.005)
        kill_at(process, home, name, count)
        Transcribed(home / name / JUDGMENTS_FILE)
        assert not (home / name / METRICS_FILE).exists()
    finish(start(home, name, cached=cached, seconds=0.005))
    for file in (JUDGMENTS_FILE, METRICS_FILE):
        assert (home / name / file).read_bytes() == (home / "whole" / file).read_bytes()
    again = Counter(asked(home, name))
    assert len(again) == 2 * pairs and again.total() - len(again) <= kills * AT_ONCE


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CLAIMING, str(tmp_path)]
    with claimed(tmp_path, "one", "work of another"):
        refused = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert f"another process is at work in {tmp_path}: wait for it" in refused.stdout
    let_in = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert let_in.stdout == "claimed\n"


def test_what_another_record_describes_is_refused(tmp_path: Path) -> None:
    with claimed(tmp_path / "a", "one", "work of another"):
        pass
    with claimed(tmp_path / "a", "one", "work of another"):
        pass
    for other in ("two", "on", "one, and more"):
        with (
            pytest.raises(ConfigError, match=r"a holds work of another .*another --out"),
            claimed(tmp_path / "a", other, "work of another"),
        ):
            pass


def test_the_writer_repairs_only_what_does_not_parse(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for torn, kept in (('{"id": "c', "ab"), ('{"id": "c"}', "abc")):
        path.write_text(f"{line('a')}\n{line('b')}\n{torn}")
        before = path.read_bytes()
        assert "".join(Lines(path, named)) == kept and path.read_bytes() == before
        with Log(path, named) as log:
            assert "".join(log) == kept
        assert path.read_text() == "".join(f"{line(name)}\n" for name in kept)


def test_a_line_in_the_middle_that_is_not_ours_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f"{line('a')}\n\n{line('b')}\n")
    with pytest.raises(DataError, match=r"log\.jsonl, line 2 is not ours"):
        Log(path, named)


def test_settling_puts_lines_in_order_and_loses_none(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path, named) as log:
        for name in "cab":
            log.append(name, line(name))
        log.settle((name, line(name)) for name in "ab")
    assert path.read_text() == "".join(f"{line(name)}\n" for name in "abc")
    before = path.stat().st_ino
    with Log(path, named) as log:
        log.settle((name, line(name)) for name in "ab")
    assert path.stat().st_ino == before, "nothing was to be written"
    assert [file.name for file in tmp_path.iterdir()] == ["log.jsonl"]


def test_what_is_done_again_replaces_what_failed(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f"{line('a', again=1)}\n{line('b')}\n")
    with Log(path, named) as log:
        assert list(log) == ["b"]
        log.append("a", line("a"))
        log.settle((name, line(name)) for name in "ab")
    assert path.read_text() == f"{line('a')}\n{line('b')}\n"


FULL = """
import resource, sys
from pathlib import Path
from j1sdk.errors import StorageError
from j1sdk.workfolder import Log

with Log(Path(sys.argv[1]), lambda line, where: line[:9]) as log:
    log.append(b"first    ", "first    " + "x" * 100)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))
    try:
        log.append(b"second   ", "second   " + "x" * 100)
    except StorageError as error:
        print(error)
"""


def test_a_full_disk_is_an_error_of_ours_and_tears_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    command = [sys.executable, "-c", FULL, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "log.jsonl: File too large. What was written before is kept" in said.stdout
    assert path.read_bytes() == b"first    " + b"x" * 100 + b"\n"


def test_each_is_begun_as_soon_as_another_has_ended() -> None:
    import asyncio

    active, most, done = 0, 0, []

    async def work(item: int) -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0.5 if item == 0 else 0)
        active -= 1
        done.append(item)

    run(spread(range(40), work, width=3))
    assert most == 3 and done[-1] == 0 and sorted(done) == list(range(40)), "0 keeps nobody waiting"


def test_half_a_surrogate_pair_loses_nothing(tmp_path: Path) -> None:
    answers = iter(["<think>\ud800</think><answer>[[A]]</answer>", "\udfff"])
    engine = Scripted(script=lambda *_: next(answers))
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    data = tmp_path / "pairs.jsonl"
    data.write_text('{"id": "\\udc00", "prompt": "?", "chosen": "a", "rejected": "b"}\n')
    assert judge_to_folder(judge, Tasks(JsonLines(path=data)), tmp_path / "out").n == 1
    found = Transcribed(tmp_path / "out" / JUDGMENTS_FILE)
    assert found["\udc00", (0, 1)].scores == (1.0, 0.0) and "\ud800" in found["\udc00", (0, 1)].text
    assert found["\udc00", (1, 0)].text == "\udfff"
