"""What must hold for a source."""

from __future__ import annotations

from j1sdk.data import Source, gold_scores
from j1sdk.errors import JudgmentError
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.testing.components import ComponentContract
from j1sdk.types import JudgmentTask


class SourceContract(ComponentContract):
    """Checks of a `Source`, which must have at least two tasks. It is read several times."""

    component: Source
    abstract = Source

    def test_yields_the_same_tasks_each_time(self) -> None:
        tasks = self.component.load()
        assert len(tasks) > 1, "a contract about one task says little"
        assert all(isinstance(task, JudgmentTask) for task in tasks), "these are no tasks"
        assert tasks == self.component.load(), "the second reading differs"

    def test_gives_each_task_its_own_id(self) -> None:
        ids = [task.id for task in self.component.load()]
        assert len(set(ids)) == len(ids), "an id is used twice"

    def test_respects_the_limit(self) -> None:
        limited = self.component.model_copy(update={"limit": 1}).load()
        assert limited == self.component.load()[:1], "limit = 1 is not the first task"

    def test_demonstrates_what_gold_says(self) -> None:
        form = PairwiseVerdict()
        if any(task.preferred is None for task in self.component.load()):
            return  # the source's own words for it are DataError
        for example in self.component.demonstrations(form, seed=0):
            if example.shown.task.preferred is not None:
                gold = gold_scores(example.shown, form)
                assert form.parse(example.answer) == gold, "a demonstration is wrong"

    def test_prefers_what_gold_says(self) -> None:
        form = PairwiseVerdict()
        if any(task.preferred is None for task in self.component.load()):
            return
        for pair in self.component.preferences(form, seed=0):
            if pair.shown.task.preferred is not None:
                gold = gold_scores(pair.shown, form)
                assert form.parse(pair.chosen) == gold, "what is preferred is wrong"
                assert not says(form, pair.rejected, gold), "what is rejected is right"


def says(form: PairwiseVerdict, text: str, scores: tuple[float, ...]) -> bool:
    """Whether a text is a judgment with these scores; one that cannot be read is not."""
    try:
        return form.parse(text) == scores
    except JudgmentError:
        return False
