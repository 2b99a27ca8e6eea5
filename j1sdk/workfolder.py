"""A folder that long work fills: one process claims it, and results are kept as they arrive.

    with claimed(out, record, "judgments of another judge"):
        with Log(out / "judgments.jsonl", key_of) as log:
            run(spread(waiting, work))      # where work(item) ends with log.append(key, line)
            log.settle(log[key] for key in in_order)

Whatever ends the process, even `kill -9`, costs only what was in flight. The same work then finds
in the log what is done. At the end `settle` puts the lines in the order of the work, so the file is
the same however often the work was interrupted. Only the writer repairs: readers open `Lines`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any, Self, TypeVar

from j1sdk.errors import ConfigError, DataError
from j1sdk.files import ENCODING, LONE_SURROGATES, encoded, read_lines, replaced, writing

try:
    import fcntl
except ImportError:  # Windows, where a folder is not locked
    fcntl = None  # type: ignore[assignment]

RECORD_FILE = "run.toml"
IN_FLIGHT = 256
"""Items worked on at once: more than any engine's batch, and few enough to hold in memory."""
SECONDS_UNSYNCED = 1.0
"""For how long a crash of the whole machine, not of the process, may lose what was appended."""

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
KeyOf = Callable[[bytes, str], "Key | None"]
"""What a line is of, given the line and where it is; None for work that is to be done again.

Raises DataError for a line that this kind of work does not write.
"""


@contextmanager
def claimed(out: Path, record: str, other: str) -> Iterator[None]:
    """Hold the folder, made if need be, for the work that `record` describes.

    The record is what is locked. Raises ConfigError where another process holds the folder, or
    where it records other work, which `other` names: "judgments of another judge".
    """
    path, wanted = out / RECORD_FILE, record.encode(ENCODING, LONE_SURROGATES)
    with writing(path):
        out.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    with file:
        _lock(file, out)
        file.seek(0)
        recorded = file.read()
        if recorded not in (b"", wanted):
            raise ConfigError(f"{out} holds {other} ({path}): another --out")
        if not recorded:
            with writing(path):
                _write_whole(file, wanted)
        yield


def _write_whole(file: FileIO, data: bytes) -> None:
    """Add the data to a file, or nothing of it; raises OSError."""
    size, written = os.fstat(file.fileno()).st_size, 0
    try:
        while written < len(data):
            written += file.write(data[written:])
    except OSError:
        file.truncate(size)
        raise


def _lock(file: FileIO, out: Path) -> None:
    """Lock the file for this process until it is closed."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"another process is at work in {out}: wait for it, or choose another --out"
        ) from None
    except OSError:  # a file system without locks
        return


class Lines(Mapping[Key, bytes]):
    """The lines of a file by what they are of, the last one of each; memory holds only places.

    A last line that is not whole is left out: it was cut short, or is being written just now.
    Raises DataError for any other that is not of this kind of work.
    """

    def __init__(self, path: Path, key_of: KeyOf[Key]) -> None:
        self.path = path
        self._places: dict[Key, int] = {}
        self._size = 0
        """Bytes of the lines that are whole."""
        self._ended = True
        """Whether the last of them ends with a line break."""
        for where, line in read_lines(path) if path.exists() else ():
            ended = line.endswith(b"\n")
            try:
                key = key_of(line, where)
            except DataError:
                if ended:
                    raise
                break
            if key is not None:
                self._places[key] = self._size
            self._size, self._ended = self._size + len(line), ended

    def __getitem__(self, key: Key) -> bytes:
        place = self._places[key]
        with self.path.open("rb") as file:
            file.seek(place)
            return file.readline()

    def __iter__(self) -> Iterator[Key]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Log(Lines[Key]):
    """The lines of a claimed folder's file, to which its process adds. Closed as a context."""

    def __init__(self, path: Path, key_of: KeyOf[Key]) -> None:
        super().__init__(path, key_of)
        with writing(path):
            self._file = path.open("ab", buffering=0)
            if path.stat().st_size != self._size:  # a file that is whole stays untouched
                self._file.truncate(self._size)
        self._reader = path.open("rb")
        self._lock, self._synced = Lock(), time.monotonic()
        if not self._ended:
            self._write(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock, writing(self.path):
            self._reader.close()
            if not self._file.closed:
                self._sync()
                self._file.close()

    def __getitem__(self, key: Key) -> bytes:
        self._reader.seek(self._places[key])
        return self._reader.readline()

    def append(self, key: Key, line: str) -> None:
        """Add a line, which then outlives the process. Raises StorageError; nothing is torn then.

        After an interrupt has closed the log, what still arrives is let go.
        """
        with self._lock:
            if not self._file.closed:
                place = self._size
                self._write(encoded(line))
                self._places[key] = place

    def _write(self, data: bytes) -> None:
        with writing(self.path):
            _write_whole(self._file, data)
            self._size += len(data)
            if time.monotonic() - self._synced > SECONDS_UNSYNCED:
                self._sync()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def settle(self, lines: Iterable[tuple[Key, str]]) -> None:
        """Put the file in this order, in one step, and close it; other keys' lines come last.

        Where that is what it holds already, nothing is written.
        """
        settled: set[Key] = set()

        def ordered() -> Iterator[bytes]:
            for key, line in lines:
                settled.add(key)
                yield encoded(line)
            yield from (self[key] for key in self._places if key not in settled)

        self._replace(ordered())
        self._file.close()

    def _replace(self, lines: Iterator[bytes]) -> None:
        """Write the lines, from the first that is not where it should be."""
        same, line = 0, b""
        with self.path.open("rb") as old:
            for line in lines:
                if line != old.readline():
                    break
                same, line = same + len(line), b""
            if not line and same == self._size:
                return
            old.seek(0)
            with replaced(self.path) as new:
                shutil.copyfileobj(old, new)
                new.truncate(same)
                new.seek(same)
                new.write(line)
                new.writelines(lines)
                new.flush()
                os.fsync(new.fileno())


async def spread(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Any]], width: int = IN_FLIGHT
) -> None:
    """Work on the items, `width` at once, each begun as soon as another has ended.

    An exception stops the rest, and is raised.
    """
    waiting = iter(items)

    async def take() -> None:
        for item in waiting:
            await work(item)
            await asyncio.sleep(0)  # work that never waits must not keep the loop from others

    takers = [asyncio.create_task(take()) for _ in range(width)]
    try:
        await asyncio.gather(*takers)
    finally:
        for taker in takers:
            taker.cancel()
        await asyncio.gather(*takers, return_exceptions=True)
