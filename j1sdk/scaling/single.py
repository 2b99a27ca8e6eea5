"""One judgment, and that is it."""

from __future__ import annotations

from typing import ClassVar

from j1sdk.scaling import Samples, Scaling
from j1sdk.types import Judgment


class Single(Scaling):
    """One sample, as it is."""

    name: ClassVar[str] = "single"

    async def judge(self, samples: Samples) -> Judgment:
        return await samples.draw(0)

    @property
    def most(self) -> int:
        return 1
