"""Test-time scaling by making the judge think on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j1sdk.hookspecs import hookimpl
from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk_budget_forcing.forcing import BudgetForcing

__all__ = ["BudgetForcing"]
__getattr__ = lazy(__name__)


@hookimpl
def formats() -> dict[str, str]:
    return {"budget-forcing": "j1sdk_budget_forcing.forcing:BudgetForcing"}
