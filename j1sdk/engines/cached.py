"""A cache on disk in front of another engine: what was answered once is not paid for again.

    [judge.engine]
    name = "cached"
    path = "answers.sqlite"
    engine = { name = "transformers", model = "judge" }

A completion is on disk as soon as it is written, under a digest of all that determines it: the
engine's options but for incidental ones, the files of a model that is a directory, conversation
and sampling. So judging that was killed goes on where it was, and processes may share the file.

What comes out is the completion that went in, token counts included: a second run's results are
those of the first, and what it really paid is `misses`. A sampling with a temperature and no seed
has no one answer: a judge that draws so is refused, and `complete` does not cache it. Errors are
not kept. An engine is known by its options alone, so a model that is only in memory
(`Transformers.around`) is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from j1sdk.background import on_background
from j1sdk.engines import Engine
from j1sdk.engines.cache_file import CacheFile
from j1sdk.engines.chat import messages
from j1sdk.engines.opened import Opened
from j1sdk.engines.wrapping import WrappingEngine
from j1sdk.errors import ConfigError
from j1sdk.sharing import Sharing
from j1sdk.types import Completion, Conversation, Sampling

BESIDE = (".toml", ".jsonl", ".md")
"""Files kept beside a model, such as judgments, that are no part of it."""
SQLITE = ("", "-wal", "-shm", "-journal")
"""What SQLite adds to the name of a file for those it keeps beside it."""


class Cached(WrappingEngine):
    """Asks another engine only for what is not on disk yet."""

    name: ClassVar[str] = "cached"
    incidental: ClassVar[frozenset[str]] = frozenset({"path"})
    engine: Engine
    """What is asked for that is not on disk."""
    path: Path
    """An SQLite file, made if need be."""
    _store: ClassVar[Opened[Cached, _Store]] = Opened(lambda engine: _Store(engine.replace()))
    """Used on the background loop alone."""

    @property
    def hits(self) -> int:
        """Completions that this object found on disk, or that were being waited for already."""
        return self._store.hits

    @property
    def misses(self) -> int:
        """Completions it asked the other engine for, but for those that are not cached."""
        return self._store.misses

    @property
    def reserved(self) -> frozenset[str]:
        self._store.describe()  # what `reserved` opens are the files as they are now
        return self.engine.reserved

    def needs_trust(self, folder: Path) -> list[str]:
        inside = self.path.resolve().is_relative_to(folder.resolve())
        return [] if inside else [f"writes to {self.path}"]

    def accept(self, sampling: Sampling) -> None:
        if not is_determined(sampling):
            raise ConfigError(
                f"a completion at temperature {sampling.temperature:g} is never the same again, so"
                " there is nothing to cache: set sampling.seed"
            )
        _ = self.identity  # raises ConfigError where the engine cannot be told from others
        CacheFile(self.path).close()
        self.engine.accept(sampling)

    async def close(self) -> None:
        await self.engine.close()
        await on_background(self._store.close())

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        if not is_determined(sampling):
            return await self.engine.complete(conversation, sampling)
        return await on_background(self._store.complete(conversation, sampling))


class _Store:
    """A cache's file and counts in one process, and what is being asked."""

    def __init__(self, engine: Cached) -> None:
        self._engine = engine
        self.hits, self.misses = 0, 0
        self._sharing: Sharing[bytes, Completion] = Sharing(self._hit)
        self._file: CacheFile | None = None
        self._description: str | None = None

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        key = self.key(conversation, sampling)
        if (stored := self._open().get(key)) is not None:
            self._hit()
            return stored
        return await self._sharing.get(key, lambda: self._ask(key, conversation, sampling))

    def key(self, conversation: Conversation, sampling: Sampling) -> bytes:
        # so that what was cached before there were probabilities is found again
        unasked = None if sampling.top_logprobs else {"top_logprobs"}
        asked = [self.describe(), messages(conversation), sampling.model_dump(exclude=unasked)]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()

    def describe(self) -> str:
        """The engine, with its files as they were before it was first used, and read them."""
        if self._description is None:
            identity = self._engine.identity
            described = [identity, sorted(model_files(identity, self._engine.path))]
            self._description = json.dumps(described, sort_keys=True)
        return self._description

    async def close(self) -> None:
        file, self._file = self._file, None
        if file:
            file.close()

    async def _ask(self, key: bytes, conversation: Conversation, sampling: Sampling) -> Completion:
        self.misses += 1
        completion = await self._engine.engine.complete(conversation, sampling)
        self._open().put(key, completion)
        return completion

    def _hit(self) -> None:
        self.hits += 1

    def _open(self) -> CacheFile:
        if self._file is None:
            self._file = CacheFile(self._engine.path)
        return self._file


def is_determined(sampling: Sampling) -> bool:
    """Whether there is only one answer."""
    return not sampling.temperature or sampling.seed is not None


def model_files(identity: Any, cache: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of each file of models that are directories: these may be trained anew.

    Subfolders, what is kept beside a model, and the cache itself are no part of one.
    """
    if isinstance(identity, list):
        for one in identity:
            yield from model_files(one, cache)
    elif isinstance(identity, dict):
        for option, value in identity.items():
            if option in ("model", "adapter") and isinstance(value, str) and os.path.isdir(value):
                yield from _stamps(Path(value), cache)
            else:
                yield from model_files(value, cache)


def _stamps(folder: Path, cache: Path) -> Iterator[tuple[str, int, int]]:
    own = [cache.name + suffix for suffix in SQLITE]
    for file in folder.iterdir():
        if file.is_file() and file.suffix not in BESIDE and file.name not in own:
            yield str(file), file.stat().st_size, file.stat().st_mtime_ns
