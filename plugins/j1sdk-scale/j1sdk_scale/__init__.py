"""What accuracy costs in tokens (`j1 scale`), and a judge that thinks only where it has to.

from j1sdk_scale import Cascade, calibrate_to_folder, scale_to_folder
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j1sdk.hookspecs import hookimpl
from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk_scale.calibration import (
        CALIBRATION_FILE,
        Calibration,
        Pair,
        calibrate_to_folder,
        fit,
        pairs_needed,
    )
    from j1sdk_scale.cascade import Cascade, certainty_of, thought_about
    from j1sdk_scale.distill import Distill
    from j1sdk_scale.page import spending_report
    from j1sdk_scale.prefilled import Prefilled
    from j1sdk_scale.spending import Spending
    from j1sdk_scale.study import SAMPLES_FILE, SPENDING_FILE, scale_to_folder, with_samples

__all__ = [
    "CALIBRATION_FILE",
    "SAMPLES_FILE",
    "SPENDING_FILE",
    "Calibration",
    "Cascade",
    "Distill",
    "Pair",
    "Prefilled",
    "Spending",
    "calibrate_to_folder",
    "certainty_of",
    "fit",
    "pairs_needed",
    "scale_to_folder",
    "spending_report",
    "thought_about",
    "with_samples",
]
__getattr__ = lazy(__name__)


@hookimpl
def formats() -> dict[str, str]:
    return {"prefilled": "j1sdk_scale.prefilled:Prefilled"}


@hookimpl
def scalings() -> dict[str, str]:
    return {"cascade": "j1sdk_scale.cascade:Cascade"}


@hookimpl
def trainers() -> dict[str, str]:
    return {"distill": "j1sdk_scale.distill:Distill"}


@hookimpl
def commands() -> dict[str, tuple[str, str]]:
    return {
        "calibrate": (
            "j1sdk_scale.calibrate_command:calibrate",
            "Fit how sure a cascade's fast reading has to be to stand.",
        ),
        "scale": (
            "j1sdk_scale.command:scale",
            "Draw accuracy, consistency, flips and ties against tokens, for each way to scale.",
        ),
    }
