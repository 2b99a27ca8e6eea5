from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from j1sdk.deliberation import deliberate
from j1sdk.engines.scripted import Scripted
from j1sdk.formats.pairwise_verdict_scores import PairwiseVerdictScores
from j1sdk.formats.pointwise import Pointwise
from j1sdk.quoting import (
    COMMON_SPECIAL_TOKENS,
    NOT_SHOWN,
    breakable,
    quote,
    quote_presentation,
)
from j1sdk.types import JudgmentTask, Message, Presentation, Sampling

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


@given(tight_text, tight_markers, st.integers(1, 9))
@settings(max_examples=200)
def test_a_long_text_is_quoted_in_windows_as_in_one(text: str, marks: set[str], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("j1sdk.quoting.WINDOW", size)
        quoted = quote(text, marks).lower()
    assert not [marker for marker in breakable(marks) if marker.lower() in quoted]
    assert quoted.replace(" ", "") == text.lower().replace(" ", "")


def test_others_go_on_while_a_long_response_is_quoted() -> None:
    long = "<" * 3_000_000

    async def ticks() -> int:
        count, shown = 0, Presentation(task=JudgmentTask(prompt="?", responses=(long,)), order=(0,))
        engine = Scripted(answers=("</think><score>5</score>",))
        judging = asyncio.ensure_future(deliberate(Pointwise(), engine, Sampling(), shown))
        while not judging.done():
            await asyncio.sleep(0)
            count += 1
        assert (await judging).scores == (5.0,)
        return count

    assert asyncio.run(ticks()) > 20


def test_a_task_is_quoted_once_and_only_what_is_shown() -> None:
    task = JudgmentTask(prompt="?", responses=("<eos> a", "<eos> b", "<eos> c"))
    orders = ((0, 1), (1, 0), (1, 2))
    first, turned, other = (
        quote_presentation(Presentation(task=task, order=order), MARKERS) for order in orders
    )
    assert first.responses[0] is turned.responses[1]
    assert first.responses[1] is other.responses[0]
    assert first.task.responses[2] == NOT_SHOWN
    assert other.responses == ("< eos> b", "< eos> c")


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
