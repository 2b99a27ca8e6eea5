from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from j1sdk.errors import ConfigError
from j1sdk.types import (
    Completion,
    JudgeResult,
    Judgment,
    JudgmentStatus,
    JudgmentTask,
    Message,
    Presentation,
    Sampling,
    Scores,
    Usage,
    presentations,
    winner,
)

PAIR = JudgmentTask.from_pair("2+2?", chosen="4", rejected="5")


def judged(order: tuple[int, ...], scores: Scores | None) -> Judgment:
    status = JudgmentStatus.UNPARSEABLE if scores is None else JudgmentStatus.OK
    return Judgment(task_id=PAIR.id, order=order, scores=scores, status=status)


def result(*judgments: Judgment) -> JudgeResult:
    return JudgeResult(task=PAIR, judgments=judgments, scores=(None, None))


def test_a_string_prompt_is_one_user_message() -> None:
    assert PAIR.prompt == (Message(role="user", content="2+2?"),)


def test_a_pair_prefers_the_chosen_response() -> None:
    assert PAIR.responses == ("4", "5")
    assert PAIR.preferred == 0


def test_an_id_is_a_digest_of_the_content() -> None:
    spelt_out = JudgmentTask(
        prompt=(Message(role="user", content="2+2?"),), responses=("4", "5"), preferred=0
    )
    assert spelt_out.id == PAIR.id
    assert JudgmentTask.model_validate(PAIR.model_dump()) == PAIR


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "2+3?"},
        {"responses": ("5", "4")},
        {"preferred": 1},
        {"ratings": (2.0, 1.0)},
        {"reference": "4"},
        {"subset": "sums"},
    ],
)
def test_tasks_that_differ_have_different_ids(change: dict[str, Any]) -> None:
    same: dict[str, Any] = {"prompt": "2+2?", "responses": ("4", "5"), "preferred": 0}
    assert JudgmentTask(**{**same, **change}).id != PAIR.id


def test_a_given_id_is_kept() -> None:
    assert JudgmentTask(prompt="p", responses=("r",), id="mine").id == "mine"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"prompt": "p", "responses": ()}, "responses"),
        ({"prompt": (), "responses": ("r",)}, "prompt"),
        ({"prompt": "p", "responses": ("r",), "preferred": 1}, "preferred is 1, but there are 1"),
        ({"prompt": "p", "responses": ("r",), "preferred": -1}, "preferred"),
        ({"prompt": "p", "responses": ("r",), "ratings": (1.0, 2.0)}, "not one for each response"),
        ({"prompt": "p", "responses": ("r",), "ratings": (float("nan"),)}, "finite number"),
        (
            {"prompt": "p", "responses": ("r", "s"), "preferred": 0, "ratings": (1.0, 2.0)},
            r"preferred is 0, but ratings say \(1.0, 2.0\)",
        ),
        ({"prompt": "p", "respones": ("r",)}, "did you mean 'responses'"),
        ({"prompt": [{"role": "bot", "content": "x"}], "responses": ("r",)}, "role"),
        ({"prompt": "p", "responses": ("r", "s"), "preferred": True}, "preferred"),
    ],
)
def test_a_task_that_cannot_be_judged_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        JudgmentTask(**fields)


def test_values_are_frozen() -> None:
    with pytest.raises(ConfigError, match="frozen"):
        PAIR.reference = "4"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("order", "responses", "gold"),
    [((0, 1), ("4", "5"), 0), ((1, 0), ("5", "4"), 1), ((0,), ("4",), 0), ((1,), ("5",), None)],
)
def test_a_presentation_shows_responses_and_gold_in_its_order(
    order: tuple[int, ...], responses: tuple[str, ...], gold: int | None
) -> None:
    shown = Presentation(task=PAIR, order=order)
    assert (shown.responses, shown.gold) == (responses, gold)


def test_gold_is_unknown_without_a_preference() -> None:
    task = JudgmentTask(prompt="p", responses=("a", "b"))
    assert Presentation(task=task, order=(0, 1)).gold is None


@pytest.mark.parametrize(
    ("arity", "both", "orders"),
    [
        (1, True, [(0,), (1,), (2,)]),
        (2, False, [(0, 1), (0, 2), (1, 2)]),
        (2, True, [(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)]),
    ],
)
def test_presentations_cover_every_response_or_pair(
    arity: int, both: bool, orders: list[tuple[int, ...]]
) -> None:
    task = JudgmentTask(prompt="p", responses=("a", "b", "c"))
    assert [shown.order for shown in presentations(task, arity, both)] == orders


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((1.0, 0.0), 0),
        ((0.0, 1.0), 1),
        ((7.0, 7.0), None),
        ((3.0, 7.0, 7.0), None),
        ((None, 1.0), None),
        ((), None),
        ((0.0,), 0),
    ],
)
def test_the_winner_is_strictly_highest_and_all_scores_known(
    scores: Sequence[float | None], expected: int | None
) -> None:
    assert winner(scores) == expected


def test_scores_are_found_by_response_whatever_the_order() -> None:
    judgment = judged((1, 0), (7.0, 4.0))
    assert (judgment.score_of(0), judgment.score_of(1), judgment.score_of(2)) == (4.0, 7.0, None)
    assert judgment.verdict() == 1


def test_a_failed_judgment_has_no_score_and_no_verdict() -> None:
    judgment = judged((0, 1), None)
    assert not judgment.ok
    assert judgment.score_of(0) is None
    assert judgment.verdict() is None


def test_the_text_of_a_judgment_is_what_the_judge_wrote_last() -> None:
    assert judged((0, 1), None).text == ""
    said = [("user", "?"), ("assistant", "first"), ("user", "sure?"), ("assistant", "last")]
    transcript = [{"role": role, "content": content} for role, content in said]
    fields = {**judged((0, 1), None).model_dump(), "transcript": transcript}
    assert Judgment.model_validate(fields).text == "last"


@pytest.mark.parametrize(
    ("judgments", "consistent"),
    [
        ([judged((0, 1), (1.0, 0.0)), judged((1, 0), (0.0, 1.0))], True),
        ([judged((0, 1), (1.0, 0.0)), judged((1, 0), (1.0, 0.0))], False),
        ([judged((0, 1), (5.0, 5.0)), judged((1, 0), (5.0, 5.0))], False),
        ([judged((0, 1), (1.0, 0.0)), judged((1, 0), None)], None),
        ([judged((0, 1), (1.0, 0.0)), judged((1, 0), (0.0, 1.0)), judged((1, 0), None)], None),
        ([judged((0, 1), (1.0, 0.0))], None),
        ([judged((0,), (1.0,)), judged((1,), (0.0,))], None),
    ],
)
def test_consistency_is_one_strict_verdict_in_both_orders(
    judgments: list[Judgment], consistent: bool | None
) -> None:
    assert result(*judgments).consistent is consistent


def test_usage_adds_up_over_judgments() -> None:
    one = judged((0, 1), None).model_copy(
        update={"usage": Usage(calls=1, prompt_tokens=10, completion_tokens=3)}
    )
    assert result(one, one).usage == Usage(calls=2, prompt_tokens=20, completion_tokens=6)
    assert Completion(text="x", prompt_tokens=2, completion_tokens=1).usage.calls == 1


@pytest.mark.parametrize(
    "option",
    [{"temperature": -0.1}, {"top_p": 0.0}, {"top_p": 1.1}, {"max_new_tokens": 0}, {"stop": [""]}],
)
def test_impossible_sampling_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Sampling(**option)


def test_a_judgment_survives_json() -> None:
    judgment = judged((1, 0), (7.5, 4.0))
    assert Judgment.model_validate_json(judgment.model_dump_json()) == judgment


TYPED = """
from j1sdk.types import JudgmentTask, Message
JudgmentTask(prompt="q", responses=["a", "b"])
JudgmentTask(prompt=[Message(role="user", content="q")], responses=("a",), preferred=0, id="x")
JudgmentTask(prompt=[{"role": "user", "content": "q"}], responses=["a"], ratings=[1, 0.5])
"""
WRONGLY_TYPED = """
from j1sdk.types import JudgmentTask
JudgmentTask(prompt=1, responses=["a"])
JudgmentTask(prompt="q", respones=["a"])
JudgmentTask(prompt="q", responses=["a"], preferred="a")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("source", "wrong"), [(TYPED, 0), (WRONGLY_TYPED, 3)])
def test_type_checkers_take_what_validation_takes(source: str, wrong: int, tmp_path: Path) -> None:
    """By mypy as a user has it, without pydantic's plugin."""
    (tmp_path / "use.py").write_text(source, encoding="utf-8")
    # the front of the package would have mypy read torch, which takes minutes
    settings = "[mypy]\nstrict = True\n[mypy-j1sdk]\nfollow_imports = skip\n"
    (tmp_path / "mypy.ini").write_text(settings, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "use.py"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.stdout.count(": error: ") == wrong, checked.stdout + checked.stderr
    assert checked.returncode == bool(wrong)


def test_all_that_are_rated_highest_are_gold_and_a_tie_if_that_is_all() -> None:
    best = JudgmentTask(prompt="p", responses=("a", "b", "c"), ratings=(2.0, 1.0, 2.0))
    assert (best.golds, best.tied) == ((0, 2), False)
    assert JudgmentTask(prompt="p", responses=("a", "b"), ratings=(1.0, 1.0)).tied
    assert (PAIR.golds, PAIR.tied) == ((0,), False)
    assert not JudgmentTask(prompt="p", responses=("a", "b")).tied
    assert not JudgmentTask(prompt="p", responses=("a",), preferred=0).tied
