"""Which of several copies of a model is asked: the one that knows the prompt, unless it is busy.

What judgments of one prompt share is found in a copy's prefix cache only if they go to the same
one. So copies are ranked for each prompt by a hash (rendezvous hashing), and the first is taken
that has no more than its share of the work under way, and a quarter (consistent hashing with
bounded loads, arXiv 1608.01350).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from math import ceil

from j1sdk.formats.thinking import END_REQUEST
from j1sdk.types import Conversation

LEEWAY = 1.25
"""How much more than its share of the work a copy may have."""
BATCH = 8
"""What a copy may have in any case: a server makes a batch of it."""


class Spreading:
    """The work under way at each of several copies. Used on one event loop."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.under_way = [0] * len(names)
        self.done = [0] * len(names)
        """How much each has done; what it failed at is not."""

    def choose(self, conversation: Conversation, among: Collection[int]) -> int:
        """The place of the copy to ask."""
        total = sum(self.under_way[place] for place in among) + 1
        share = max(ceil(LEEWAY * total / len(among)), BATCH)
        prompt = shared_prompt(conversation)
        ranked = sorted(among, key=lambda place: _rank(prompt, self._names[place]))
        return next(place for place in ranked if self.under_way[place] < share)

    @contextmanager
    def working(self, place: int) -> Iterator[None]:
        """Counts work as under way there."""
        self.under_way[place] += 1
        try:
            yield
            self.done[place] += 1
        finally:
            self.under_way[place] -= 1


def shared_prompt(conversation: Conversation) -> str:
    """What all judgments of one prompt begin with: instructions and request."""
    return conversation[0].content.partition(END_REQUEST)[0]


def _rank(prompt: str, name: str) -> bytes:
    return hashlib.sha256(f"{name}\0{prompt}".encode("utf-8", "surrogatepass")).digest()
