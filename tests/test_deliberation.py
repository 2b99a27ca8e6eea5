from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar, Literal

import pytest

from j1sdk.deliberation import Deliberation, question, replay
from j1sdk.errors import EngineError, OutOfRange, Unparseable
from j1sdk.formats import JudgmentFormat, Reading, Turn
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.types import (
    Completion,
    Conversation,
    JudgmentStatus,
    JudgmentTask,
    Message,
    Presentation,
    Scores,
    Usage,
)

TASK = JudgmentTask.from_pair("2+2?", chosen="4", rejected="5")
SHOWN = Presentation(task=TASK, order=(1, 0))


class Twice(JudgmentFormat):
    """Puts a word in the judge's mouth, then asks whether it is sure."""

    name: ClassVar[str] = "twice"
    arity: ClassVar[Literal[1, 2]] = 2

    def render(self, shown: Presentation) -> Conversation:
        return (
            Message(role="user", content=shown.responses[0]),
            Message(role="assistant", content="Hm: "),
        )

    def parse(self, text: str) -> Scores:
        if text == "beyond":
            raise OutOfRange(text)
        if text not in ("first", "second"):
            raise Unparseable(f"{text!r} is neither")
        return (1.0, 0.0) if text == "first" else (0.0, 1.0)

    def write(self, scores: Scores, thought: str = "") -> str:
        return "first" if scores[0] else "second"

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        begun = yield Turn(say=self.render(shown))
        first = self.parse(begun.text)
        said = (
            Message(role="assistant", content="Hm: " + begun.text),
            Message(role="user", content="Sure?"),
        )
        last = yield Turn(say=(*self.render(shown)[:1], *said), max_new_tokens=5)
        scores = self.parse(last.text)
        return Reading(scores=scores, rounds=(first, scores))


def begin() -> Deliberation:
    return Deliberation(Twice(), SHOWN, reserved=())


def test_a_deliberation_asks_is_told_and_ends_in_a_judgment() -> None:
    deliberation = begin()
    deliberation.send(Completion(text="first", prompt_tokens=3, completion_tokens=1))
    assert deliberation.turn is not None
    assert deliberation.turn.max_new_tokens == 5
    deliberation.send(Completion(text="second", prompt_tokens=7, completion_tokens=1))
    judgment = deliberation.judgment
    assert deliberation.turn is None
    assert (judgment.task_id, judgment.order) == (TASK.id, (1, 0))
    assert judgment.status is JudgmentStatus.OK
    assert judgment.scores == (0.0, 1.0)
    assert judgment.rounds == ((1.0, 0.0), (0.0, 1.0))
    assert judgment.usage == Usage(calls=2, prompt_tokens=10, completion_tokens=2)


def test_the_transcript_joins_what_was_continued() -> None:
    deliberation = begin()
    deliberation.send(Completion(text="first"))
    deliberation.send(Completion(text="first"))
    said = [(message.role, message.content) for message in deliberation.judgment.transcript]
    assert said == [
        ("user", "5"),
        ("assistant", "Hm: first"),
        ("user", "Sure?"),
        ("assistant", "first"),
    ]


@pytest.mark.parametrize(
    ("completion", "status"),
    [
        (Completion(text="what"), JudgmentStatus.UNPARSEABLE),
        (Completion(text="what", finish_reason="length"), JudgmentStatus.TRUNCATED),
        (Completion(text="beyond"), JudgmentStatus.OUT_OF_RANGE),
    ],
)
def test_a_failure_ends_it_with_a_status_the_reason_and_the_transcript(
    completion: Completion, status: JudgmentStatus
) -> None:
    deliberation = begin()
    deliberation.send(completion)
    judgment = deliberation.judgment
    assert (judgment.status, judgment.scores, judgment.rounds) == (status, None, ())
    assert completion.text in judgment.detail
    assert judgment.text == f"Hm: {completion.text}"
    assert judgment.usage.calls == 1
    assert deliberation.turn is None


def test_an_engine_error_keeps_what_was_asked_and_already_paid() -> None:
    deliberation = begin()
    deliberation.send(Completion(text="first", completion_tokens=4))
    deliberation.fail(EngineError("out of memory"))
    judgment = deliberation.judgment
    assert judgment.status is JudgmentStatus.ENGINE_ERROR
    assert (judgment.scores, judgment.detail) == (None, "out of memory")
    assert judgment.transcript[-1].content == "Sure?"
    assert judgment.usage.completion_tokens == 4


def test_there_is_no_judgment_before_the_end_and_no_sending_after_it() -> None:
    deliberation = begin()
    with pytest.raises(RuntimeError, match="not over"):
        _ = deliberation.judgment
    deliberation.send(Completion(text="what"))
    with pytest.raises(RuntimeError, match="is over"):
        deliberation.send(Completion(text="first"))


class Miscounts(PairwiseVerdict):
    name: ClassVar[str] = "miscounts"

    def parse(self, text: str) -> Scores:
        return (1.0,)


def test_a_format_that_miscounts_its_scores_is_a_bug_and_not_a_status() -> None:
    with pytest.raises(RuntimeError, match="read 1 scores for 2 responses"):
        replay(Miscounts(), SHOWN, Completion(text=""))


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.5, 1.5])
def test_a_score_that_a_format_cannot_mean_is_no_score(score: float) -> None:
    class Unchecked(PairwiseVerdict):
        name: ClassVar[str] = "unchecked"

        def parse(self, text: str) -> Scores:
            return (1.0, score)

    judgment = replay(Unchecked(), SHOWN, Completion(text=""))
    assert (judgment.status, judgment.scores) == (JudgmentStatus.OUT_OF_RANGE, None)
    assert "outside its range 0 to 1" in judgment.detail


def test_a_replay_is_the_judgment_of_a_recorded_completion() -> None:
    text = "</think><answer>[[A]]</answer>"
    judgment = replay(PairwiseVerdict(), SHOWN, Completion(text=text))
    assert judgment.scores == (1.0, 0.0)
    assert judgment.verdict() == 1
    assert judgment.text == text


def test_a_question_is_quoted_for_the_format_and_the_tokenizer() -> None:
    task = JudgmentTask(prompt="<|eot|>", responses=("[[A]]", "b"))
    (asked,) = question(PairwiseVerdict(), Presentation(task=task, order=(0, 1)), ("<|eot|>",))
    assert "< |eot|>" in asked.content
    assert "\n[ [A]]\n" in asked.content
