"""The mean of n judgments."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from j1sdk.scaling import Samples, Scaling, add_up, draw_all
from j1sdk.types import Judgment, Scores


class Mean(Scaling):
    """The mean score of each response over the samples that were read (J1's score average).

    Of verdicts, it is each response's share of the votes.
    """

    name: ClassVar[str] = "mean"
    n: int = Field(default=8, ge=1)
    """Samples drawn."""

    @property
    def most(self) -> int:
        return self.n

    async def judge(self, samples: Samples) -> Judgment:
        drawn = await draw_all(samples, range(self.n))
        return add_up(drawn, mean_scores(drawn))


def mean_scores(drawn: Sequence[Judgment]) -> Scores | None:
    """Mean score per response shown; None where no sample was read."""
    read = [sample.scores for sample in drawn if sample.scores is not None]
    return tuple(map(fmean, zip(*read, strict=True))) if read else None
