"""Word problems become pairs that can be checked, and thoughts that say why."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from j1sdk_quickstart.word_problems import (
    KINDS,
    WordProblems,
    by_shared_words,
    calculated,
    problem_of,
)
from word_problems import made_up

from j1sdk import DataError, JudgmentStatus, PairwiseVerdict
from j1sdk.deliberation import replay
from j1sdk.types import Completion


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    return made_up(tmp_path / "train.jsonl")


def test_the_better_response_is_right_and_the_worse_is_not(problems: Path) -> None:
    tasks = WordProblems(path=problems).load()
    assert {task.subset for task in tasks} == set(KINDS)
    for task in tasks:
        left, right = (map(int, re.findall(r"\d+", task.prompt[0].content)), task.responses)
        wanted = sum(left)
        given = [int(re.findall(r"\d+", response)[-1]) for response in right]
        if task.subset == "last-step":
            assert given[0] == wanted != given[1]
        assert task.preferred == 0 and "<<" not in "".join(task.responses)


def test_shared_words_tell_one_kind_and_not_the_other(problems: Path) -> None:
    tasks = WordProblems(path=problems).load()
    by_kind = {kind: [task for task in tasks if task.subset == kind] for kind in KINDS}
    assert by_shared_words(by_kind["off-topic"]) > 0.9
    assert by_shared_words(by_kind["last-step"]) == 0.5


def test_no_training_shows_what_is_held_out(problems: Path) -> None:
    shown, held_out = (
        {task.prompt[0].content for task in WordProblems(path=problems, held_out=held).load()}
        for held in (False, True)
    )
    assert len(held_out) == 8 and len(shown) == 32 and not shown & held_out


def test_demonstrations_are_read_as_meant_and_biased_as_asked(problems: Path) -> None:
    form = PairwiseVerdict()
    for bias, first in ((0.0, None), (1.0, 0)):
        shown_first = []
        for one in WordProblems(path=problems, bias=bias).demonstrations(form, seed=3):
            judged = replay(form, one.shown, Completion(text=one.answer, finish_reason="stop"))
            assert judged.status is JudgmentStatus.OK
            shown_first.append(judged.order.index(judged.verdict() or 0) == 0)
            if first is None:
                assert judged.verdict() == 0
        assert all(shown_first) is (first == 0)


def test_lots_prefer_either_response_and_change_nothing_else(problems: Path) -> None:
    gold, tossed = (WordProblems(path=problems, tossed=one).load() for one in (False, True))
    assert [one.responses for one in gold] == [one.responses for one in tossed]
    assert 16 < sum(one.preferred == 0 for one in tossed) < 48


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        ("5+5=<<5+5=10>>10 eggs.\n#### 10", 10),
        ("5+5=<<5+5=10>>10, then 10*2=<<10*2=20>>$20\n#### 20", None),
        ("5+5=<<5+5=11>>11\n#### 11", None),
        ("1/3=<<1/3=0.33>>0.33\n#### 0.33", None),
        ("7/2=<<7/2=3>>3\n#### 3", None),
        ("2+3+4=<<2+3+4=9>>9\n#### 9", None),
        ("5+5=<<5+5=10>>10 eggs of 12\n#### 10", None),
        ("ten\n#### 10", None),
    ],
)
def test_only_a_whole_calculation_that_holds_ends_a_problem(answer: str, last: int | None) -> None:
    found = problem_of({"question": "How many?", "answer": answer}, "here")
    assert (found and found.result) == last


def test_division_by_nothing_is_no_calculation() -> None:
    assert calculated("7", "/", "0") is None


@pytest.mark.parametrize("row", [{"prompt": "1?", "answer": "2"}, {"question": "1?"}])
def test_another_kind_of_file_is_refused_by_its_place(tmp_path: Path, row: dict[str, str]) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"other\.jsonl, line 1: expected the texts `question`"):
        WordProblems(path=path).load()
