"""DeepSeek-GRM's parts: principles of the judge's own (SPCT), and a judge of judgments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j1sdk.hookspecs import hookimpl
from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk_spct.meta_judge import MetaJudge
    from j1sdk_spct.spct import Spct, SpctSingle

__all__ = ["MetaJudge", "Spct", "SpctSingle"]
__getattr__ = lazy(__name__)


@hookimpl
def formats() -> dict[str, str]:
    return {"spct": "j1sdk_spct.spct:Spct", "spct-single": "j1sdk_spct.spct:SpctSingle"}


@hookimpl
def scalings() -> dict[str, str]:
    return {"meta-judge": "j1sdk_spct.meta_judge:MetaJudge"}
