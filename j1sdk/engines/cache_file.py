"""Completions by key in one SQLite file, which any number of processes read and write at once."""

from __future__ import annotations

import sqlite3
import warnings
from pathlib import Path
from time import monotonic, sleep

from pydantic import ValidationError

from j1sdk.errors import ConfigError
from j1sdk.types import Completion

FORMAT = 0x6A310001
"""`j1` and the version of the table: the `user_version` of a file of ours."""
PATIENCE = 5.0
"""Seconds to wait while another process writes."""
REST = 10.0
"""Seconds without writing after a failure, which may have taken all the patience."""


class CacheFile:
    """An open cache, for the thread that opened it.

    What is put is there after a `kill -9`; the last of it may be lost if the machine itself goes
    down. A failure is a warning, not an error: a cache that fails is one that knows nothing.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConfigError for what cannot be opened or is something else."""
        self._path, self._warned, self._resting_until = path, False, 0.0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(path)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"cannot open {path} as a cache: {error}") from error

    def get(self, key: bytes) -> Completion | None:
        """What is there under the key."""
        try:
            found = self._connection.execute("SELECT text FROM completions WHERE key = ?", (key,))
            row = found.fetchone()
            return Completion.model_validate_json(row[0]) if row else None
        except (sqlite3.Error, ValidationError) as error:
            self._warn(error)
            return None

    def put(self, key: bytes, completion: Completion) -> None:
        """Have it on disk; of two under one key the later stays."""
        if monotonic() < self._resting_until:
            return
        row = key, completion.model_dump_json()
        try:
            self._connection.execute("INSERT OR REPLACE INTO completions VALUES (?, ?)", row)
        except sqlite3.Error as error:
            self._resting_until = monotonic() + REST
            self._warn(error)

    def close(self) -> None:
        self._connection.close()

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            reason = str(error).splitlines()[0]
            warnings.warn(
                f"the cache {self._path} fails ({reason}): judging goes on, and what it cannot"
                " keep is paid for again",
                RuntimeWarning,
                stacklevel=3,
            )


def _connect(path: Path) -> sqlite3.Connection:
    """Of processes that make a file at once, one may be told that it is locked without a wait."""
    until = monotonic() + PATIENCE
    while True:
        try:
            return _open(path)
        except sqlite3.OperationalError as error:
            if monotonic() > until or not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise
        sleep(0.005)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        if _is_new(connection, path):
            _create(connection)
        connection.execute("PRAGMA synchronous = NORMAL")  # no waiting for the disk at each commit
    except BaseException:  # whatever went wrong, nobody else can close it
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is empty; raises ConfigError if it is neither that nor ours.

    Tables first: a process that makes the file just now adds table and version in one step.
    """
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    ((version,),) = connection.execute("PRAGMA user_version")
    if version != FORMAT and (version or tables):
        raise ConfigError(
            f"{path} is no cache of this version of j1sdk: give another path, or move it away"
        )
    return bool(version != FORMAT)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(
        "BEGIN IMMEDIATE;"
        "CREATE TABLE IF NOT EXISTS completions (key BLOB PRIMARY KEY, text TEXT NOT NULL);"
        f"PRAGMA user_version = {FORMAT};"
        "COMMIT;"
    )
