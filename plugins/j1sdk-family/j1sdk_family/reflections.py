"""Second thoughts, spliced from a judge's own judgments (J1-7B, arXiv 2505.11875).

A demonstration thinks as one sample did, reflects, and then thinks and judges as a right sample
did. Half of the first thoughts were right and are confirmed, half were wrong and are put right:
were all of them wrong, a judge would learn that to reflect is to change its mind. The paper gives
neither the words between nor how its examples were joined; both are choices made here.
"""

from __future__ import annotations

import random
from itertools import combinations, product
from typing import ClassVar, NamedTuple

from j1sdk.data import Demonstration
from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk_family.judgments import EXAMPLES, Counts, Judgments, Kept, balanced, readable

CONNECTIVE = "\n\nWait, let me check that again.\n\n"


class Spliced(NamedTuple):
    """A demonstration, and whether its first thought was right."""

    confirms: bool
    example: Demonstration


class Reflections(Judgments):
    """Recorded judgments in which a first thought is confirmed or put right by a second."""

    name: ClassVar[str] = "reflections"
    connective: str = CONNECTIVE
    """The words between the two thoughts."""

    def _demonstrations(
        self, format: JudgmentFormat, seed: int
    ) -> tuple[list[Demonstration], Counts]:
        if not format.thinking_sections:
            raise ConfigError(f"{format.name} marks no thinking that could be reflected on")
        (kept, counts), generator = self.sift(), random.Random(seed)
        found = [self._splices(one, format, generator) for one in kept]
        counts["nothing to splice"] = sum(not spliced for spliced in found)
        made = [one for spliced in found for one in spliced]
        even = balanced(made, self._kind, generator, kinds=4 if self.balance else 2)
        counts["too many of one kind"] = len(made) - len(even)
        counts[EXAMPLES] = len(even)
        return [one.example for one in even], counts

    def _kind(self, one: Spliced) -> tuple[bool, int | None]:
        """What there are to be as many of: confirmed and put right, and with `balance` A and B."""
        return one.confirms, one.example.shown.gold if self.balance else None

    def _splices(
        self, one: Kept, format: JudgmentFormat, generator: random.Random
    ) -> list[Spliced]:
        """Examples of both kinds, as many of each as one presentation may give."""
        closing = format.thinking_sections[-1][1]
        right = [text for text in one.right if closing in text]
        wrong = [text for text in one.sampled.wrong if closing in text]
        options = {True: list(combinations(right, 2)), False: list(product(wrong, right))}
        return [
            self._spliced(one, format, confirms, first, second)
            for confirms, pairs in options.items()
            for first, second in self._pick(pairs, generator)
        ]

    def _spliced(
        self, one: Kept, format: JudgmentFormat, confirms: bool, first: str, second: str
    ) -> Spliced:
        answer = readable(splice(first, second, self.connective, format), format, one)
        return Spliced(confirms, Demonstration(shown=one.sampled.shown, answer=answer))


def splice(first: str, second: str, connective: str, format: JudgmentFormat) -> str:
    """The first text up to the end of its thinking, then the second from the beginning of its.

    A text without the opening tag was recorded where the prompt had written it.
    """
    opening, closing = format.thinking_sections[-1]
    before, (begun, opened, rest) = first.rpartition(closing)[0], second.partition(opening)
    return before.rstrip() + connective + (rest if opened else begun).lstrip()
