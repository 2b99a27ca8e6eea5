"""Votes are weighed by a judge of judgments."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from j1sdk.deliberation import deliberate
from j1sdk.engines import Engine
from j1sdk.formats import JudgmentFormat
from j1sdk.scaling import Samples, Scaling, add_up, draw_all
from j1sdk.scaling.mean import mean_scores
from j1sdk.scaling.vote import majority
from j1sdk.types import Judgment, JudgmentTask, Presentation, Sampling


class MetaJudge(Scaling):
    """Only the judgments that a judge of judgments scores highest count (DeepSeek-GRM's idea).

    DeepSeek-GRM (arXiv 2504.02495, section 4) has a scalar model trained for it, keeps half of
    the samples and sums their scores; here any single-response format and engine does it. It
    reads the question as the request and the judgment as the response. A sample whose own
    judgment failed is not kept.
    """

    name: ClassVar[str] = "meta-judge"
    n: int = Field(default=8, ge=1)
    """Samples drawn."""
    keep: int = Field(default=4, ge=1)
    """Samples that count."""
    format: JudgmentFormat
    """How the judge of judgments is asked, such as `pointwise`."""
    engine: Engine | None = None
    """What judges the judgments: the judge itself, unless another is given."""
    sampling: Sampling = Sampling()
    """How the judge of judgments draws a completion."""
    then: Literal["vote", "mean"] = "vote"
    """What the judgments that are kept add up to."""

    @property
    def most(self) -> int:
        return self.n

    @field_validator("format")
    @classmethod
    def _check_format(cls, format: JudgmentFormat) -> JudgmentFormat:
        if format.arity != 1:
            raise ValueError(f"{format.name} shows {format.arity} responses: a judgment is one")
        return format

    @model_validator(mode="after")
    def _check_keep(self) -> MetaJudge:
        if self.keep > self.n:
            raise ValueError(f"keep is {self.keep}, but only {self.n} are drawn")
        return self

    async def judge(self, samples: Samples) -> Judgment:
        drawn = await draw_all(samples, range(self.n))
        read = [sample for sample in drawn if sample.ok]
        engine = self.engine or samples.engine
        graded = await asyncio.gather(*(self._grade(sample, engine) for sample in read))
        scored = [
            (grade.scores[0], sample)
            for grade, sample in zip(graded, read, strict=True)
            if grade.scores is not None
        ]
        best = sorted(scored, key=lambda one: -one[0])[: self.keep]
        combine = majority if self.then == "vote" else mean_scores
        return add_up(drawn, combine([sample for _, sample in best]), graded)

    async def _grade(self, sample: Judgment, engine: Engine) -> Judgment:
        """The judgment of a judgment."""
        task = JudgmentTask(prompt=sample.transcript[:-1], responses=(sample.text,))
        shown = Presentation(task=task, order=(0,))
        return await deliberate(self.format, engine, self.sampling, shown)
