"""Two speeds: a judge that answers at once where it is sure, and thinks where it is not.

[judge.scaling]
name = "cascade"
fast = { thinking = "none" }
risk = 0.01
sure = 0.97  # `j1 calibrate RUN.toml --data pairs.jsonl` fits it to the risk
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Hashable, Sequence
from statistics import fmean
from typing import Any, ClassVar

from pydantic import Field

from j1sdk.deliberation import deliberate
from j1sdk.engines import Engine
from j1sdk.engines.opened import Opened
from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.thinking import ThinkingFormat
from j1sdk.judgments import first_chance
from j1sdk.scaling import Samples, Scaling
from j1sdk.sharing import Sharing
from j1sdk.types import Judgment, Presentation, Sampling
from j1sdk_scale.prefilled import Begun, Prefilled

ALTERNATIVES = 20
"""Tokens whose probability a fast reading is told: as many as engines have, for score levels."""


class Cascade(Scaling):
    """A fast reading of both orders; a thought only where they differ or are unsure.

    The fast verdict stands where every order names it and its probability, the mean over the
    orders, is at least `sure`. Otherwise the judge thinks, in each order. A judgment's `samples`
    are its order's fast reading and, where there is one, the thought: the last of them decided.
    """

    name: ClassVar[str] = "cascade"
    fast: dict[str, Any] = {"thinking": "none"}
    """Options of the judge's format for the fast reading, in place of its own."""
    engine: Engine | None = None
    """What reads fast: the judge's own model, unless another is given."""
    prefill: Begun | None = None
    """Begin the fast answer for the judge, as the format `prefilled` does, and how far."""
    risk: float = Field(default=0.01, gt=0.0, lt=0.5)
    """Share of pairs that may be decided otherwise than by thinking: `j1 calibrate` fits `sure`
    so that no more are, with 95% confidence."""
    sure: float | None = Field(default=None, ge=0.5, le=1.0)
    """Probability from which a fast verdict stands; `j1 calibrate` writes it."""
    _reading: ClassVar[Opened[Cascade, Sharing[Hashable, Judgment]]] = Opened(lambda _: Sharing())
    """Fast readings in flight: each order's judgment wants those of both."""

    @property
    def most(self) -> int:
        """Thoughts of one presentation: the fast reading is no sample."""
        return 1

    def accept(self, format: JudgmentFormat, engine: Engine, sampling: Sampling) -> None:
        if self.sure is None:
            raise ConfigError(
                "cascade has no `sure`, the probability from which a fast verdict stands: fit it"
                " with `j1 calibrate RUN.toml --data PAIRS.jsonl`"
            )
        fast = self.fast_format(format)
        if fast == format and self.engine is None:
            raise ConfigError(
                "cascade's fast reading is the judge's own: give it options of the format, such as"
                ' fast = { thinking = "none" }, or a smaller `engine`'
            )
        reader = self.engine or engine
        if self.prefill and not reader.continues:
            raise ConfigError(
                f"cascade's prefill begins an answer, which {reader.name} cannot continue: leave it"
                " out, or choose another engine"
            )
        reader.accept(fast_sampling(sampling))

    def fast_format(self, format: JudgmentFormat) -> JudgmentFormat:
        """The judge's format as it reads fast; raises ConfigError where it has no probabilities."""
        fast = format.replace(**self.fast)
        if fast.arity != 2 or not isinstance(fast, ThinkingFormat) or not fast.choices:
            raise ConfigError(
                "cascade takes a pairwise format whose answers have probabilities, such as"
                f" pairwise-verdict; {format.name} is none"
            )
        return Prefilled(format=fast, begun=self.prefill) if self.prefill else fast

    async def judge(self, samples: Samples) -> Judgment:
        read = await asyncio.gather(*(self._fast(samples, shown) for shown in samples.orders))
        own = read[0]
        if (certainty := certainty_of(read)) > 0 and certainty >= (self.sure or 1.0):
            return own.replace(samples=(own,))
        thought = await samples.draw(0)
        return thought.replace(samples=(own, thought), usage=own.usage + thought.usage)

    async def _fast(self, samples: Samples, shown: Presentation) -> Judgment:
        """The fast reading of one order, made once for those that want it at the same time."""
        format, engine = self.fast_format(samples.format), self.engine or samples.engine
        sampling = fast_sampling(samples.sampling)
        key = (shown, repr(format), sampling, id(engine), id(asyncio.get_running_loop()))
        return await self._reading.get(key, lambda: deliberate(format, engine, sampling, shown))


def fast_sampling(sampling: Sampling) -> Sampling:
    """As the judge samples, but greedily and with probabilities."""
    return sampling.replace(temperature=0.0, top_logprobs=ALTERNATIVES)


def certainty_of(read: Sequence[Judgment]) -> float:
    """The probability of the verdict that all orders name, as their mean.

    0 where they name two, or one of them is a tie, was not read, or has no probability.
    """
    verdicts = {one.verdict() for one in read}
    if len(verdicts) > 1 or None in verdicts:
        return 0.0
    chances = [chance_of(one, verdicts) for one in read]
    return fmean(chances) if all(chances) else 0.0


def chance_of(judgment: Judgment, named: Collection[int | None]) -> float:
    """The probability that the response named has in a judgment, less what went to no answer."""
    if (first := first_chance(judgment)) is None:
        return 0.0
    answered = min(1.0, *(sum(chances.values()) for chances in judgment.probabilities))
    return answered * (first if judgment.order[0] in named else 1 - first)


def thought_about(judgment: Judgment) -> bool:
    """Whether the judge had to think, where a cascade made this judgment."""
    return len(judgment.samples) > 1
