"""What must hold for a scaling."""

from __future__ import annotations

from collections.abc import Callable

from j1sdk.background import run
from j1sdk.engines.scripted import Scripted
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.scaling import Samples, Scaling
from j1sdk.testing.components import ComponentContract
from j1sdk.types import Judgment, JudgmentStatus, Message, Sampling, Scores, Usage


class Drawing:
    """Samples whose scores a rule gives, by number, as scores or None; remembers what was drawn."""

    def __init__(self, rule: Callable[[int], Scores | None], arity: int = 2) -> None:
        self.drawn: list[int] = []
        self._rule, self._arity = rule, arity

    @property
    def samples(self) -> Samples:
        """What a scaling is given."""
        return Samples(self.draw, Scripted(), PairwiseVerdict(), Sampling(), ())

    async def draw(self, number: int) -> Judgment:
        """Sample `number`, which costs `number + 1` tokens."""
        self.drawn.append(number)
        scores = self._rule(number)
        return Judgment(
            task_id="drawing",
            order=tuple(range(self._arity)),
            scores=scores,
            status=JudgmentStatus.UNPARSEABLE if scores is None else JudgmentStatus.OK,
            detail="nothing there" if scores is None else "",
            transcript=(
                Message(role="user", content="Which?"),
                Message(role="assistant", content=f"sample {number}: {scores}"),
            ),
            usage=Usage(calls=1, completion_tokens=number + 1),
        )


class ScalingContract(ComponentContract):
    """Checks of a `Scaling`. One that asks an engine of its own must be given one that answers."""

    component: Scaling
    abstract = Scaling

    def test_draws_each_number_once_and_no_more_than_it_says(self) -> None:
        drawing = Drawing(lambda number: (1.0, 0.0) if number % 2 else (0.0, 1.0))
        self._judge(drawing)
        count = len(drawing.drawn)
        assert 1 <= count <= self.component.most, f"drew {count}, but says {self.component.most}"
        assert sorted(drawing.drawn) == list(range(count)), "numbers are left out or drawn twice"

    def test_keeps_what_all_samples_say(self) -> None:
        for scores in ((1.0, 0.0), (0.0, 1.0)):
            made = self._judge(Drawing(lambda number, said=scores: said))  # type: ignore[misc]
            assert made.scores == scores and made.status is JudgmentStatus.OK
            assert made.order == (0, 1), "the order shown is lost"
            assert made.text, "there is no transcript to read"

    def test_scores_one_response_as_all_samples_do(self) -> None:
        made = self._judge(Drawing(lambda number: (7.0,), arity=1))
        assert made.scores == (7.0,)

    def test_a_tie_is_not_decided(self) -> None:
        made = self._judge(Drawing(lambda number: (3.0, 3.0)))
        assert made.ok and made.verdict() is None, f"{made.scores} decides a tie"

    def test_has_no_scores_where_no_sample_was_read(self) -> None:
        made = self._judge(Drawing(lambda number: None))
        assert made.scores is None, f"{made.scores} come from no judgment"
        assert made.status is JudgmentStatus.UNPARSEABLE and made.detail

    def test_takes_a_failed_sample_for_missing(self) -> None:
        made = self._judge(Drawing(lambda number: None if number % 2 else (0.0, 1.0)))
        assert made.scores == (0.0, 1.0), "a sample that failed has changed the outcome"

    def test_reports_the_cost_of_all_that_was_drawn(self) -> None:
        drawing = Drawing(lambda number: (1.0, 0.0))
        usage = self._judge(drawing).usage
        assert usage.calls >= len(drawing.drawn), "calls are not reported"
        assert usage.completion_tokens >= sum(number + 1 for number in drawing.drawn)

    def _judge(self, drawing: Drawing) -> Judgment:
        return run(self.component.judge(drawing.samples))
