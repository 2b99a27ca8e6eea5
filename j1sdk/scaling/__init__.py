"""Test-time scaling: how many judgments to draw for one presentation, and what they add up to.

A scaling asks for samples by number and answers with one judgment, so everything behind it
(orders, rankings, metrics, files) is blind to how many were drawn:

    class BestOfTwo(Scaling):
        name = "best-of-two"
        most = 2

        async def judge(self, samples):
            first = await samples.draw(0)
            return first if first.ok else await samples.draw(1)

A sample that failed is missing, never a vote.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from j1sdk.background import all_at_once
from j1sdk.component import Component
from j1sdk.engines import Engine
from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.lazy import lazy
from j1sdk.types import Judgment, JudgmentStatus, Presentation, Sampling, Scores, Usage, winner

if TYPE_CHECKING:
    from j1sdk.scaling.mean import Mean
    from j1sdk.scaling.single import Single
    from j1sdk.scaling.vote import Vote

__all__ = ["Mean", "Samples", "Scaling", "Single", "Vote", "add_up"]
__getattr__ = lazy(__name__)


class Samples(NamedTuple):
    """The judgments of one presentation, drawn on demand."""

    draw: Callable[[int], Awaitable[Judgment]]
    """Sample by number, from 0; never raises for a judgment that fails."""
    engine: Engine
    """What they are drawn from."""
    format: JudgmentFormat
    sampling: Sampling
    orders: tuple[Presentation, ...]
    """What is judged; then the same pair the other way round, where the judge shows both."""


class Scaling(Component):
    """How many judgments are drawn for one presentation, and what they add up to."""

    kind: ClassVar[str] = "scalings"

    @property
    @abstractmethod
    def most(self) -> int:
        """Samples drawn of one presentation at most."""

    def accept(self, format: JudgmentFormat, engine: Engine, sampling: Sampling) -> None:
        """Raise ConfigError for a judge this cannot scale: here, one whose samples are alike."""
        if self.most > 1 and not sampling.temperature:
            raise ConfigError(
                f"{self.name} would draw one judgment {self.most} times over at temperature 0:"
                " set sampling.temperature"
            )

    @abstractmethod
    async def judge(self, samples: Samples) -> Judgment:
        """The one judgment that the samples amount to, with the usage of all of them."""


async def draw_all(samples: Samples, numbers: Iterable[int]) -> list[Judgment]:
    """The samples of these numbers, drawn at once."""
    return await all_at_once(samples.draw, numbers)


def add_up(
    drawn: Sequence[Judgment], scores: Scores | None, graded: Sequence[Judgment] = ()
) -> Judgment:
    """One judgment with these scores for all samples drawn; without scores, why there are none.

    Its transcript is that of the first sample that came to the same verdict. `graded` are
    judgments of the samples, whose cost counts.
    """
    same = [one for one in drawn if one.ok and winner(one.scores or ()) == winner(scores or ())]
    shown = (same or drawn)[0]
    made = [*drawn, *graded]
    failures = Counter(one.status for one in made if not one.ok)
    changes = {
        "scores": scores,
        "status": JudgmentStatus.OK if scores else failures.most_common(1)[0][0],
        "detail": "" if scores else f"no sample counts: {_counted(failures)}",
        "rounds": (),
        "samples": tuple(drawn),
        "usage": sum((one.usage for one in made), Usage()),
    }
    return shown.model_copy(update=changes)


def _counted(failures: Counter[JudgmentStatus]) -> str:
    return ", ".join(f"{status} {count}" for status, count in failures.most_common())
