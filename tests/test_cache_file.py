"""The cache's file: many processes, full disks, damage, and files that are something else."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from j1sdk.engines import cache_file
from j1sdk.engines.cache_file import FORMAT, CacheFile
from j1sdk.errors import ConfigError
from j1sdk.types import Completion

SAID = Completion(text="\0 Zürich\n", finish_reason="length", prompt_tokens=3, completion_tokens=2)
OTHER = Completion(text="other")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.fixture
def cache(path: Path) -> Iterator[CacheFile]:
    with closing(CacheFile(path)) as opened:
        yield opened


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM completions")
    return int(count)


def test_what_was_put_is_there_and_nothing_else(cache: CacheFile) -> None:
    assert cache.get(key(1)) is None
    cache.put(key(1), SAID)
    assert cache.get(key(1)) == SAID
    assert cache.get(key(2)) is None


def test_it_is_there_the_next_time(path: Path) -> None:
    for opened, known in ((CacheFile(path), None), (CacheFile(path), SAID)):
        with closing(opened):
            assert opened.get(key(1)) == known
            opened.put(key(1), SAID)


def test_of_two_under_one_key_the_later_stays(path: Path, cache: CacheFile) -> None:
    cache.put(key(1), OTHER)
    cache.put(key(1), SAID)
    assert cache.get(key(1)) == SAID and rows(path) == 1


def test_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "er" / "cache.sqlite"
    CacheFile(path).close()
    assert path.is_file() and [*path.parent.iterdir()] == [path], "a closed cache is one file"


def newer(path: Path) -> None:
    CacheFile(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE accounts (owner TEXT)")


def versioned(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")


def text(path: Path) -> None:
    path.write_text("a file of notes, and some more of them\n" * 99, encoding="utf-8")


@pytest.mark.parametrize("make", [newer, foreign, versioned, text])
def test_what_is_no_cache_of_ours_is_refused_by_name_and_left_alone(path: Path, make: Any) -> None:
    make(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=rf"{path}.*(no cache of this version|not a database)"):
        CacheFile(path)
    assert path.read_bytes() == before and [*path.parent.iterdir()] == [path]


def test_what_cannot_be_opened_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "cache.sqlite"):
        with pytest.raises(ConfigError, match=f"cannot open {path} as a cache: .+"):
            CacheFile(path)


def test_a_file_that_stays_locked_is_refused_after_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_file, "PATIENCE", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConfigError, match=f"cannot open {path} as a cache: .*locked"):
            CacheFile(path)
        holder.execute("COMMIT")
        CacheFile(path).close()


def test_an_empty_file_becomes_a_cache(path: Path) -> None:
    path.touch()
    with closing(CacheFile(path)) as opened:
        opened.put(key(1), SAID)
    assert rows(path) == 1


WRITER = """
import sys, time
from pathlib import Path
from j1sdk.engines.cache_file import CacheFile
from j1sdk.types import Completion

path, number, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.read()
cache = CacheFile(path)
for turn in range(count):
    for name in (number * 10**6 + turn, 10**9 + turn):  # one of its own, one that all write
        cache.put(name.to_bytes(32, "big"), Completion(text=f"answer {name} " * 50))
cache.close()
"""


def test_processes_write_at_once_and_everything_is_there(path: Path) -> None:
    processes, count = 6, 300
    command = [sys.executable, "-W", "error", "-c", WRITER, str(path)]
    writers = [
        subprocess.Popen(
            [*command, str(number), str(count)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for number in range(processes)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.close()  # together, also in making the file
        writer.stdin = None
    errors = [writer.communicate(timeout=300)[1] for writer in writers]
    assert errors == [""] * processes, "a database that is locked would be a warning"
    with closing(CacheFile(path)) as cache:
        for name in (number * 10**6 + turn for number in range(processes) for turn in range(count)):
            assert cache.get(key(name)) == Completion(text=f"answer {name} " * 50)
    assert rows(path) == (processes + 1) * count


FILLING = """
import json, sys, warnings
from pathlib import Path
from j1sdk.engines import cache_file
from j1sdk.engines.cache_file import CacheFile
from j1sdk.types import Completion

path, limit = Path(sys.argv[1]), int(sys.argv[2])
cache = CacheFile(path)
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
said = Completion(text="word " * 200)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for number in range(200):
        cache.put(number.to_bytes(32, "big"), said)
kept = [number for number in range(200) if cache.get(number.to_bytes(32, "big")) == said]
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
else:
    (path.parent / "ballast").unlink()
cache.put(b"resting", said)
cache_file.monotonic = lambda: float("inf")
cache.put(b"again", said)
found = [cache.get(b"resting") is not None, cache.get(b"again") == said]
told = [[str(one.message), one.category.__name__] for one in caught]
print(json.dumps([kept, told, found]))
"""


def filled(path: Path, limit: int) -> Any:
    command = [sys.executable, "-W", "error", "-c", FILLING, str(path), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_filled(path: Path, limit: int, reason: str) -> None:
    kept, told, found = filled(path, limit)
    assert kept == [*range(len(kept))] and 5 < len(kept) < 195, "what fitted, and it is read"
    ((message, category),) = told
    assert category == "RuntimeWarning" and message.startswith(f"the cache {path} fails ({reason})")
    assert "judging goes on" in message
    assert found == [False, True], "it rests, and writes when there is room again"
    with closing(CacheFile(path)) as cache:
        assert cache.get(key(0)) and cache.get(b"again")


def test_a_file_that_may_not_grow_is_warned_of_once_and_read_on(path: Path) -> None:
    check_filled(path, 100_000, "disk I/O error")


def test_a_full_disk_is_warned_of_once_and_read_on(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a disk to fill")
    try:
        (disk / "ballast").write_bytes(bytes(100_000))
        check_filled(disk / "cache.sqlite", 0, "database or disk is full")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_lock_that_stays_is_waited_for_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_file, "PATIENCE", 0.2)
    with closing(CacheFile(path)) as cache, closing(sqlite3.connect(path)) as holder:
        cache.put(key(1), SAID)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.warns(RuntimeWarning, match="locked"):
            cache.put(key(2), SAID)
        begun = monotonic()
        for number in range(3, 100):
            cache.put(key(number), SAID)
        assert monotonic() - begun < 0.2
        assert cache.get(key(1)) == SAID and cache.get(key(2)) is None


@pytest.mark.parametrize("whole", [False, True], ids=["page by page", "altogether"])
def test_damage_while_it_is_open_is_warned_of_once(path: Path, whole: bool) -> None:
    with closing(CacheFile(path)) as first:
        for number in range(500):
            first.put(key(number), SAID)
    with closing(CacheFile(path)) as cache:
        if whole:
            path.write_bytes(os.urandom(path.stat().st_size))
        else:
            with path.open("r+b") as file:
                file.seek(4096)
                file.write(b"\xff" * (path.stat().st_size - 4096))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert [cache.get(key(number)) for number in range(500)] == [None] * 500
            for number in range(500):
                cache.put(key(number), SAID)
        (warned,) = caught
        assert warned.category is RuntimeWarning and str(path) in str(warned.message)


@pytest.mark.parametrize("damage", ["", '{"text": 5}', '{"text": "cut', "\ud800", b"\xff\xfe", 7])
def test_a_damaged_entry_is_not_known_and_heals(path: Path, damage: object) -> None:
    with closing(CacheFile(path)) as cache:
        cache.put(key(1), SAID)
        raw = damage.encode("utf-8", "surrogatepass") if isinstance(damage, str) else damage
        with sqlite3.connect(path) as other:
            other.execute("UPDATE completions SET text = CAST(? AS TEXT)", (raw,))
        other.close()
        with pytest.warns(RuntimeWarning, match="the cache .* fails"):
            assert cache.get(key(1)) is None
        cache.put(key(1), SAID)
        assert cache.get(key(1)) == SAID
