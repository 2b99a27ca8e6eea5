"""The frame of the three pairwise formats: the prompt, and how a verdict becomes scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from j1sdk.formats.probabilities import Choice, Probabilities
from j1sdk.formats.sections import conversation
from j1sdk.formats.thinking import MARKERS, ThinkingFormat, case
from j1sdk.types import Conversation, Presentation, Scores

TASK = (
    "You are an impartial judge. Two AI assistants, A and B, were given the same request, shown"
    " below with their responses. Decide which response serves the user better."
)
THINK = (
    "First think it through between <think> and </think>. Settle on the criteria that matter for"
    " this request. Where it helps, work out your own answer to compare against. Then weigh the"
    " two responses against each other in detail."
)
FAIRNESS = (
    "Do not let the order in which the responses are shown, their length or the names of the"
    " assistants influence you; judge as if the order had been the other way round."
)
FENCES = tuple(
    (f"[Response of assistant {letter}]", f"[End of response of assistant {letter}]")
    for letter in "AB"
)
PAIRWISE_MARKERS = (*MARKERS, *(mark for fence in FENCES for mark in fence))


class Pairwise(ThinkingFormat):
    """Subclasses say what answer to ask for and how to read it."""

    arity: ClassVar[Literal[1, 2]] = 2

    @abstractmethod
    def instructions(self) -> str:
        """What answer to give after thinking."""

    def render(self, shown: Presentation) -> Conversation:
        think, answer = self.asked(THINK, self.instructions())
        return conversation("\n\n".join([TASK, think, FAIRNESS, answer, *pair(shown)]))


def pair(shown: Presentation) -> list[str]:
    """What is judged: the request, a reference answer if there is, and both responses, fenced."""
    fenced = zip(FENCES, shown.responses, strict=True)
    return case(shown) + [f"{begin}\n{response}\n{end}" for (begin, end), response in fenced]


VERDICTS = Choice("<answer>", {"[[A]]": "A", "[[B]]": "B"})
"""What a verdict between its tags can be."""


def expected_verdict(chances: Probabilities) -> Scores:
    """The probability of A and of B, given that it is one of them."""
    first, second = chances["A"], chances["B"]
    return (first / (first + second), second / (first + second))


def verdict_scores(letter: str) -> Scores:
    """[[A]] is (1, 0) and [[B]] is (0, 1)."""
    return (1.0, 0.0) if letter == "A" else (0.0, 1.0)


def verdict_letter(scores: Scores) -> str:
    """The inverse; ValueError for scores that no verdict reads to, such as a tie."""
    for letter in "AB":
        if tuple(scores) == verdict_scores(letter):
            return letter
    raise ValueError(f"no verdict reads to {scores}")
