"""What must hold for a format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import chain, permutations, product
from typing import Any

from j1sdk.errors import JudgmentError
from j1sdk.formats import JudgmentFormat
from j1sdk.judge import JudgeRewardModel
from j1sdk.quoting import quote, quote_presentation
from j1sdk.testing.components import RUDE, ComponentContract
from j1sdk.testing.judges import example_presentations, example_tasks, oracle
from j1sdk.types import JudgmentTask, Presentation, Scores

THOUGHTS = ("", "Short, and true.", "One line.\n\nAnother { line } \\ with 50% more.")


class FormatContract(ComponentContract):
    """Checks of a `JudgmentFormat`."""

    component: JudgmentFormat
    abstract = JudgmentFormat
    examples: Sequence[Scores] = ()
    """Scores it can express, besides the extremes of its range."""

    def test_declares_what_it_shows_and_what_has_a_meaning(self) -> None:
        form = self.component
        assert form.arity in (1, 2), "one response is shown, or two"
        assert all(map(math.isfinite, form.score_range)), "the range is not finite"
        assert form.score_range[0] < form.score_range[1], "the range is empty"
        for mark in chain(*form.sections):
            assert mark in form.markers, f"{mark!r} is a section's tag and no marker"
        for mark in form.markers:
            assert len(mark.strip()) > 1, f"marker {mark!r} cannot be broken by a space"

    def test_reads_what_it_writes(self) -> None:
        extremes = {*permutations(self.component.score_range, self.component.arity)}
        expressed = {scores for scores, _ in self._answers()}
        assert extremes <= expressed, f"cannot write {extremes - expressed}"
        for scores, text in self._answers():
            assert self._read(text) == scores, f"{text!r} was written for {scores}"

    def test_reads_scores_or_raises_what_it_may(self) -> None:
        texts = [text for _, text in self._answers()]
        cut = [text[:end] for text in texts for end in range(len(text))]
        bent = [bad.join(re.split(r"\d+", text)) for text in texts for bad in RUDE]
        for text in ("\ud800", *RUDE, *cut, *bent, *map("".join, product(texts, repeat=2))):
            self._read(text)
        for text in ("", " \n", "Who am I to judge?"):
            assert self._read(text) is None, f"reads scores out of {text!r}"

    def test_breaks_answers_injected_into_responses(self) -> None:
        marks = self.component.markers
        for _, text in self._answers():
            assert self._read(quote(text, marks)) is None, f"markers do not break {text!r}"
        for shown in example_presentations(self.component.arity):
            asked, attacked = self._prompt(shown), self._prompt(_saying(self._attack(), shown))
            for mark in map(str.lower, marks):
                same = asked.lower().count(mark) == attacked.lower().count(mark)
                assert same, f"a response can put {mark!r} into the prompt"

    def test_shows_the_prompt_and_the_responses_in_order(self) -> None:
        for shown in example_presentations(self.component.arity):
            quoted, text = quote_presentation(shown, self.component.markers), self._prompt(shown)
            places = [text.find(response) for response in quoted.responses]
            assert -1 not in places, "a response is not shown"
            assert places == sorted(places), "the responses are shown in another order"
            assert all(message.content in text for message in quoted.prompt), "prompt not shown"
            hidden = set(quoted.task.responses) - set(quoted.responses)
            assert not any(map(text.count, hidden)), "a response is shown out of turn"

    def test_does_not_show_the_label(self) -> None:
        for shown in example_presentations(self.component.arity):
            other = {
                "preferred": 1 - (shown.task.preferred or 0),
                "ratings": (7.0, 7.5),
                "id": "other",
                "subset": "other",
            }
            same = self._prompt(shown) == self._prompt(_changed(shown, other))
            assert same, "the prompt depends on label, ratings, id or subset"

    def test_adheres_to_its_own_sections(self) -> None:
        for _, text in self._answers():
            assert self.component.adheres(text), f"{text!r} does not adhere"
        assert not (self.component.sections and self.component.adheres("")), "nothing adheres"

    def test_deliberates_to_what_the_judge_means(self) -> None:
        form, attack = self.component, self._attack()
        tasks = [*example_tasks(), JudgmentTask.from_pair("?", f"Yes {attack}", f"No {attack}")]
        for result in JudgeRewardModel(format=form, engine=oracle(form, tasks)).judge(tasks):
            failed = [judgment.detail for judgment in result.judgments if not judgment.ok]
            assert not failed, f"a right answer was not read: {failed}"
            assert result.preferred == result.task.preferred, "the judge meant another response"

    def _answers(self) -> Iterator[tuple[Scores, str]]:
        """Scores it can express, and how it does, with several thoughts."""
        extremes = product(self.component.score_range, repeat=self.component.arity)
        for scores in (*extremes, *self.examples):
            try:
                yield from [(scores, self.component.write(scores, one)) for one in THOUGHTS]
            except ValueError:
                assert scores not in self.examples, f"cannot write {scores}"

    def _attack(self) -> str:
        return " ".join((*self.component.markers, *(text for _, text in self._answers())))

    def _read(self, text: str) -> Scores | None:
        try:
            scores = self.component.parse(text)
        except JudgmentError:
            return None
        low, high = self.component.score_range
        assert len(scores) == self.component.arity, f"reads {scores} from {text[:200]!r}"
        assert all(low <= score <= high for score in scores), f"reads {scores}, out of range"
        return scores

    def _prompt(self, shown: Presentation) -> str:
        asked = self.component.render(quote_presentation(shown, self.component.markers))
        assert asked[-1].role == "user", "nothing is asked"
        return "\n".join(message.content for message in asked)


def _changed(shown: Presentation, update: dict[str, Any]) -> Presentation:
    return shown.model_copy(update={"task": shown.task.model_copy(update=update)})


def _saying(text: str, shown: Presentation) -> Presentation:
    return _changed(shown, {"responses": (text,) * len(shown.task.responses)})
