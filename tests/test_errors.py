from __future__ import annotations

import pytest
from pydantic import ValidationError

from j1sdk import errors
from j1sdk.errors import J1Error, MissingExtraError, did_you_mean, explain
from j1sdk.types import JudgmentTask


@pytest.mark.parametrize(
    ("error", "parents"),
    [
        ("ConfigError", (J1Error, ValueError)),
        ("MissingExtraError", (errors.ConfigError, ImportError)),
        ("PluginError", (errors.ConfigError,)),
        ("DataError", (J1Error, ValueError)),
        ("Unparseable", (errors.JudgmentError,)),
        ("OutOfRange", (errors.JudgmentError,)),
        ("JudgmentError", (J1Error,)),
        ("EngineError", (J1Error,)),
        ("UnscoredError", (J1Error,)),
    ],
)
def test_an_error_is_caught_as_what_it_also_is(
    error: str, parents: tuple[type[Exception], ...]
) -> None:
    assert all(issubclass(getattr(errors, error), parent) for parent in parents)


def test_an_unreadable_judgment_is_no_engine_or_config_failure() -> None:
    assert not issubclass(errors.JudgmentError, (errors.EngineError, errors.ConfigError))


def test_a_missing_extra_says_what_to_type() -> None:
    assert "pip install 'j1sdk[trl]'" in str(MissingExtraError("peft", "trl"))


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("pointwize", ["pointwise", "pairwise-verdict"], "; did you mean 'pointwise'?"),
        ("zzz", ["b", "a"], "; known: a, b"),
        ("zzz", [], ""),
    ],
)
def test_a_near_miss_is_named(word: str, known: list[str], hint: str) -> None:
    assert did_you_mean(word, known) == hint


def test_every_complaint_is_a_line_with_its_key() -> None:
    with pytest.raises(ValidationError) as caught:
        JudgmentTask.model_validate({"prompt": "p", "responses": ["r", 5], "subset": 1})
    assert explain(caught.value) == [
        "responses.1: Input should be a valid string",
        "subset: Input should be a valid string",
    ]


def test_a_complaint_about_the_whole_has_no_key() -> None:
    with pytest.raises(ValidationError) as caught:
        JudgmentTask.model_validate({"prompt": "p", "responses": ("r",), "preferred": 5})
    assert explain(caught.value) == ["preferred is 5, but there are 1 responses"]
