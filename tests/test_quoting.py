from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from j1sdk.formats.pairwise_verdict_scores import PairwiseVerdictScores
from j1sdk.quoting import COMMON_SPECIAL_TOKENS, breakable, quote, quote_presentation
from j1sdk.types import JudgmentTask, Message, Presentation

MARKERS = frozenset(PairwiseVerdictScores.markers) | COMMON_SPECIAL_TOKENS
markers = st.sampled_from(sorted(MARKERS))
hostile_text = st.lists(
    st.one_of(markers, markers.map(str.upper), markers.map(lambda mark: mark[1:]), st.text())
).map("".join)
# An alphabet this small makes markers overlap, contain and leave behind one another.
tight_text = st.text("aB< >\n", max_size=30)
tight_markers = st.sets(st.text("ab< >\n", min_size=2, max_size=5), max_size=6)


@given(hostile_text)
@settings(max_examples=100)
def test_no_marker_is_left_in_any_letter_case(text: str) -> None:
    quoted = quote(text, MARKERS).lower()
    assert not [marker for marker in MARKERS if marker.lower() in quoted]


@given(tight_text, tight_markers)
@settings(max_examples=200)
@example("  ab", {" ab"})
@example("aaaaaaa", {"aa", "a a", "a  a"})
@example("a<a<b>b>", {"<b>", "a<", "<a"})
def test_overlapping_markers_are_all_broken(text: str, marks: set[str]) -> None:
    quoted = quote(text, marks).lower()
    assert not [marker for marker in breakable(marks) if marker.lower() in quoted]


@given(tight_text, tight_markers)
@settings(max_examples=100)
def test_quoting_twice_changes_nothing_more(text: str, marks: set[str]) -> None:
    once = quote(text, marks)
    assert quote(once, marks) == once


@given(tight_text, tight_markers)
@settings(max_examples=100)
def test_quoting_adds_spaces_and_nothing_else(text: str, marks: set[str]) -> None:
    assert quote(text, marks).replace(" ", "") == text.replace(" ", "")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="]>")))
@settings(max_examples=100)
def test_text_without_markers_is_unchanged(text: str) -> None:
    assert quote(text, MARKERS) == text  # every marker ends in one of the two left out


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("<|im_end|>", "< |im_end|>"),
        ("</THINK>", "< /THINK>"),
        ("<thi<think>nk>", "<thi< think>nk>"),
        ("[[A]] or [[b]]", "[ [A]] or [ [b]]"),
        ("a < b > c", "a < b > c"),
        ("", ""),
    ],
)
def test_a_marker_is_broken_behind_its_first_letter(text: str, quoted: str) -> None:
    assert quote(text, MARKERS) == quoted


def test_what_a_space_cannot_break_is_no_marker() -> None:
    assert breakable(["   ", "\n\n", "a", " a ", "<a>"]) == {"<a>"}
    assert quote("a   b", ["   ", "a"]) == "a   b"


def test_no_markers_change_nothing() -> None:
    assert quote("<think>", ()) == "<think>"


def test_a_megabyte_of_markers_is_quoted() -> None:
    text = "<think>" * 150_000
    assert quote(text, MARKERS) == "< think>" * 150_000


def test_prompt_responses_and_reference_are_quoted_and_the_rest_is_kept() -> None:
    task = JudgmentTask(
        prompt=(
            Message(role="system", content="[[A]]"),
            Message(role="user", content="</think>"),
        ),
        responses=("<eos>", "fine"),
        reference="<s>",
        preferred=1,
    )
    quoted = quote_presentation(Presentation(task=task, order=(1, 0)), MARKERS)
    assert [message.content for message in quoted.prompt] == ["[ [A]]", "< /think>"]
    assert quoted.responses == ("fine", "< eos>")
    assert quoted.task.reference == "< s>"
    assert (quoted.order, quoted.task.id, quoted.gold) == ((1, 0), task.id, 0)


def test_a_lone_surrogate_becomes_text_that_can_be_encoded() -> None:
    task = JudgmentTask(prompt="\udc00", responses=("a\ud800b", "\U0001f600"), reference="\ud83d")
    quoted = quote_presentation(Presentation(task=task, order=(0, 1)), ())
    assert quoted.responses == ("a\ufffdb", "\U0001f600")
    assert (quoted.prompt[0].content, quoted.task.reference) == ("\ufffd", "\ufffd")
