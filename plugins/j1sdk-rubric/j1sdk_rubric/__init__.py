"""A judge that checks a response against weighted criteria, one by one.

from j1sdk_rubric import Criterion, Rubric
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j1sdk.hookspecs import hookimpl
from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk_rubric.criteria import Criterion, criteria_in
    from j1sdk_rubric.criteria_correctness import CriteriaCorrectness
    from j1sdk_rubric.rubric import Rubric

__all__ = ["CriteriaCorrectness", "Criterion", "Rubric", "criteria_in"]
__getattr__ = lazy(__name__)


@hookimpl
def formats() -> dict[str, str]:
    return {"rubric": "j1sdk_rubric.rubric:Rubric"}


@hookimpl
def rewards() -> dict[str, str]:
    return {
        "criteria-correctness": "j1sdk_rubric.criteria_correctness:CriteriaCorrectness",
    }
