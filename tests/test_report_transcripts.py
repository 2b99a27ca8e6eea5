"""Transcripts, side by side and word for word."""

from __future__ import annotations

import re
from html import unescape

import pytest
from shown_reports import A_WINS, B_WINS, TIE, judgment, page, pair, points

from j1sdk.evaluation.metrics import measure
from j1sdk.judge import result_of
from j1sdk.report import (
    Report,
    TranscriptPair,
    Transcripts,
    render,
)
from j1sdk.report.blocks import is_long, mark
from j1sdk.types import JudgeResult, Message, Scores


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (pair(A_WINS, B_WINS), "Correct in both orders"),
        (pair(B_WINS, A_WINS), "Wrong in both orders"),
        (pair(A_WINS, A_WINS), "Verdict flips"),
        (pair(B_WINS, B_WINS), "Verdict flips"),
        (pair(TIE, TIE), "Tie in both orders"),
        (pair(A_WINS, TIE), "Correct, then tie"),
        (pair(TIE, None), "Tie, then failed"),
        (pair(None, None), "Failed in both orders"),
        (pair(A_WINS, B_WINS, gold=None), "Same verdict in both orders"),
        (pair(A_WINS, A_WINS, gold=None), "Verdict flips"),
        (points(8, 3), "Correct"),
        (points(3, 8), "Wrong"),
        (points(3, 3), "Tie"),
        (points(3, None), "Failed"),
        (points(3, 8, gold=None), "Response 1 scored higher"),
        (points(3, gold=None), ""),
    ],
)
def test_what_a_pair_comes_to_in_words(result: JudgeResult, outcome: str) -> None:
    assert TranscriptPair.from_result(result).outcome == outcome


@pytest.mark.parametrize("first", [A_WINS, B_WINS, TIE, None])
@pytest.mark.parametrize("second", [A_WINS, B_WINS, TIE, None])
def test_words_and_metrics_agree(first: Scores | None, second: Scores | None) -> None:
    result = pair(first, second)
    measured, words = measure([result]), TranscriptPair.from_result(result).outcome
    assert (measured.verdict_flip_rate == 1) == (words == "Verdict flips")
    assert (measured.position_consistent_accuracy == 1) == (words == "Correct in both orders")
    sides = TranscriptPair.from_result(result).sides
    correct = [side.mark for side in sides].count("correct")
    assert measured.accuracy == correct / 2


@pytest.mark.parametrize(
    ("result", "kinds"),
    [
        (pair(A_WINS, B_WINS), ("correct",)),
        (pair(A_WINS, A_WINS), ("correct", "wrong", "flips")),
        (pair(A_WINS, TIE), ("correct", "tie")),
        (pair(B_WINS, None), ("wrong", "failed")),
        (pair(A_WINS, A_WINS, gold=None), ("flips",)),
        (points(3, 8), ()),
        (points(3, None), ("failed",)),
    ],
)
def test_a_pair_is_of_the_kinds_a_reader_looks_for(
    result: JudgeResult, kinds: tuple[str, ...]
) -> None:
    assert TranscriptPair.from_result(result).kinds == kinds


def test_one_order_before_and_after_is_no_flip() -> None:
    before, after = judgment((0, 1), A_WINS), judgment((0, 1), B_WINS)
    told = TranscriptPair(heading="t", left=before, right=after, preferred=0)
    assert told.kinds == ("correct", "wrong")


def test_a_reader_chooses_which_kinds_to_see() -> None:
    results = [pair(A_WINS, B_WINS), pair(A_WINS, A_WINS), pair(B_WINS, A_WINS)]
    pairs = tuple(map(TranscriptPair.from_result, results))
    parsed = page(Transcripts(title="Both", pairs=pairs), Transcripts(title="One", pairs=pairs[:1]))
    choices = [(one["name"], one["value"]) for one in parsed.named("input")]
    assert choices == [("show-1", kind) for kind in ("all", "correct", "wrong", "flips")]
    assert [one["class"] for one in parsed.named("article")][:3] == [
        "correct",
        "correct wrong flips",
        "wrong",
    ]


def test_marks_are_words_beside_colours() -> None:
    told = [
        TranscriptPair.from_result(pair(A_WINS, A_WINS)),
        TranscriptPair.from_result(pair(TIE, None)),
    ]
    text = page(Transcripts(title="t", pairs=tuple(told))).text
    for word in ("\u2713 correct", "\u2717 wrong", "= tie", "! failed"):
        assert text.count(word) == 1
    assert "Verdict A (1 to 0)" in text and "Tie (0.5 to 0.5)" in text
    assert "unparseable: no verdict" in text


def test_each_side_says_what_it_showed_where() -> None:
    left, right = TranscriptPair.from_result(pair(A_WINS, B_WINS)).sides
    assert (left.shown, left.verdict) == (
        "A is response 0 (preferred), B is response 1",
        "Verdict A (1 to 0)",
    )
    assert (right.shown, right.verdict) == (
        "A is response 1, B is response 0 (preferred)",
        "Verdict B (0 to 1)",
    )
    alone = TranscriptPair.from_result(points(7.5, 2)).sides
    assert [(side.shown, side.verdict, side.mark) for side in alone] == [
        ("Response 0 (preferred)", "Score 7.5", "read"),
        ("Response 1", "Score 2", "read"),
    ]


def test_without_gold_no_verdict_is_called_correct() -> None:
    assert mark(judgment((0, 1), A_WINS), None) == "read"
    text = page(
        Transcripts(title="t", pairs=(TranscriptPair.from_result(pair(A_WINS, B_WINS, None)),))
    ).text
    assert "correct" not in text and "Same verdict in both orders" in text


def test_before_and_after_may_be_compared_too() -> None:
    told = TranscriptPair(
        heading="One order",
        left=judgment((1, 0), A_WINS, said="I say A"),
        right=judgment((1, 0), B_WINS, said="I say B"),
        left_label="Before",
        right_label="After",
        preferred=0,
    )
    assert [side.mark for side in told.sides] == ["wrong", "correct"]
    text = page(Transcripts(title="t", pairs=(told,))).text
    positions = [text.index(word) for word in ("Before", "I say A", "After", "I say B")]
    assert positions == sorted(positions)


def test_a_task_judged_once_has_one_side() -> None:
    once = result_of(pair(A_WINS, B_WINS).task, [judgment((0, 1), A_WINS)])
    told = TranscriptPair.from_result(once)
    assert (len(told.sides), told.outcome) == (1, "Correct")
    assert told.heading == "Task task-7"


def test_long_questions_are_folded_and_answers_never() -> None:
    long = "word " * 200
    told = TranscriptPair(heading="h", left=judgment((0, 1), A_WINS, said=long, asked=long))
    parsed = page(Transcripts(title="t", pairs=(told,)))
    assert [found["class"] for found in parsed.named("details")] == ["user"]
    assert all("open" not in found for found in parsed.named("details"))
    assert "user, 1,000 characters" in parsed.text
    assert parsed.text.count(long) == 2
    assert not is_long(Message(role="user", content="short"))


def test_a_transcript_is_word_for_word() -> None:
    said = "\n  <think>\n\tif a < b & c:\n\n\n    yes</think>\n[[A]]  "
    told = TranscriptPair(heading="h", left=judgment((0, 1), A_WINS, said=said))
    html = render(Report(title="t", summary="s", blocks=(Transcripts(title="t", pairs=(told,)),)))
    shown = re.findall("<pre[^>]*>\n(.*?)</pre>", html, re.DOTALL)  # a browser drops that newline
    assert [unescape(text) for text in shown] == ["Which?", said]


# Files
