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
not kept. An engine is known by its options alone, so do not put a cache in front of a model that is
only in memory (`Transformers.around`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PrivateAttr

from j1sdk.background import on_background
from j1sdk.engines import Engine
from j1sdk.engines.cache_file import CacheFile
from j1sdk.engines.chat import messages
from j1sdk.errors import ConfigError
from j1sdk.sharing import Sharing
from j1sdk.types import Completion, Conversation, Sampling

BESIDE = (".toml", ".jsonl", ".md")
"""Files kept beside a model, such as judgments, that are no part of it."""
SQLITE = ("", "-wal", "-shm", "-journal")
"""What SQLite adds to the name of a file for those it keeps beside it."""


class Cached(Engine):
    """Asks another engine only for what is not on disk yet."""

    name: ClassVar[str] = "cached"
    incidental: ClassVar[frozenset[str]] = frozenset({"path"})
    engine: Engine
    """What is asked where the cache has no answer."""
    path: Path
    """An SQLite file, made if need be."""
    _files: dict[tuple[int, Path], CacheFile] = PrivateAttr(default_factory=dict)
    """By process, as a connection does not survive a fork; used on the background loop alone."""
    _shared: Sharing[tuple[int, bytes], Completion] | None = PrivateAttr(default=None)
    _described: tuple[Engine, str] | None = PrivateAttr(default=None)
    _hits: int = PrivateAttr(default=0)
    _misses: int = PrivateAttr(default=0)

    @property
    def hits(self) -> int:
        """Completions that were on disk, or that were being waited for already."""
        return self._hits

    @property
    def misses(self) -> int:
        """Completions the other engine was asked for, but for those that are not cached."""
        return self._misses

    @property
    def identity(self) -> dict[str, Any]:
        return self.engine.identity

    @property
    def reserved(self) -> frozenset[str]:
        self._describe()
        return self.engine.reserved

    @property
    def continues(self) -> bool:
        return self.engine.continues

    def accept(self, sampling: Sampling) -> None:
        if not is_determined(sampling):
            raise ConfigError(
                f"a completion at temperature {sampling.temperature:g} is never the same again, so"
                " there is nothing to cache: set sampling.seed"
            )
        CacheFile(self.path).close()
        self.engine.accept(sampling)

    def save(self, directory: Path) -> Engine:
        """The engine behind it, saved: a cache is no part of a judge."""
        return self.engine.save(directory)

    async def close(self) -> None:
        await self.engine.close()
        await on_background(self._close_file())

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        if not is_determined(sampling):
            return await self.engine.complete(conversation, sampling)
        return await on_background(self._recall(conversation, sampling))

    async def _recall(self, conversation: Conversation, sampling: Sampling) -> Completion:
        key = self._key(conversation, sampling)
        if (known := self._file.get(key)) is not None:
            self._hit()
            return known
        # by process: a fork has what its parent waits for, and nobody who brings it
        here = os.getpid(), key
        return await self._sharing.get(here, lambda: self._ask(key, conversation, sampling))

    @property
    def _sharing(self) -> Sharing[tuple[int, bytes], Completion]:
        """Made when first asked: caches that were not asked yet are equal by their options."""
        if self._shared is None:
            self._shared = Sharing(self._hit)
        return self._shared

    def _hit(self) -> None:
        self._hits += 1

    async def _ask(self, key: bytes, conversation: Conversation, sampling: Sampling) -> Completion:
        self._misses += 1
        completion = await self.engine.complete(conversation, sampling)
        self._file.put(key, completion)
        return completion

    def _key(self, conversation: Conversation, sampling: Sampling) -> bytes:
        asked = [self._describe(), messages(conversation), sampling.model_dump()]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()

    def _describe(self) -> str:
        """The engine, with its files as they were before it was first used, and read them."""
        if self._described is None or self._described[0] is not self.engine:
            identity = self.engine.identity
            described = [identity, sorted(model_files(identity, self.path))]
            self._described = self.engine, json.dumps(described, sort_keys=True)
        return self._described[1]

    @property
    def _file(self) -> CacheFile:
        here = os.getpid(), self.path
        if here not in self._files:
            self._files[here] = CacheFile(self.path)
        return self._files[here]

    async def _close_file(self) -> None:
        if file := self._files.pop((os.getpid(), self.path), None):
            file.close()


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
