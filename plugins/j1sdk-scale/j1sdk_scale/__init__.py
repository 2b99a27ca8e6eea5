"""`j1 scale`: what accuracy costs in tokens, for each way to scale at test time.

from j1sdk_scale import scale_to_folder
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j1sdk.hookspecs import hookimpl
from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk_scale.page import spending_report
    from j1sdk_scale.spending import Spending
    from j1sdk_scale.study import SAMPLES_FILE, SPENDING_FILE, scale_to_folder, with_samples

__all__ = [
    "SAMPLES_FILE",
    "SPENDING_FILE",
    "Spending",
    "scale_to_folder",
    "spending_report",
    "with_samples",
]
__getattr__ = lazy(__name__)


@hookimpl
def commands() -> dict[str, tuple[str, str]]:
    return {
        "scale": (
            "j1sdk_scale.command:scale",
            "Draw accuracy, consistency, flips and ties against tokens, for each way to scale.",
        ),
    }
