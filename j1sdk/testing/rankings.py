"""What must hold for a ranking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

from j1sdk.background import run
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.judge import JudgeRewardModel
from j1sdk.rankings import JudgePairs, Ranking
from j1sdk.testing.components import ComponentContract
from j1sdk.testing.judges import always_first
from j1sdk.types import Judgment, JudgmentStatus, Scores


class Compare:
    """Judges pairs by a rule, which gives two scores or None, and remembers what was asked."""

    def __init__(self, rule: Callable[[int, int], Scores | None]) -> None:
        self.asked: list[tuple[int, int]] = []
        self._rule = rule

    async def __call__(self, pairs: Sequence[tuple[int, int]]) -> list[Judgment]:
        """A judgment per pair."""
        self.asked += pairs
        return [self._judgment(pair) for pair in pairs]

    def _judgment(self, pair: tuple[int, int]) -> Judgment:
        scores = self._rule(*pair)
        status = JudgmentStatus.UNPARSEABLE if scores is None else JudgmentStatus.OK
        return Judgment(task_id="compare", order=pair, scores=scores, status=status)


class RankingContract(ComponentContract):
    """Checks of a `Ranking`."""

    component: Ranking
    abstract = Ranking
    total = True
    """Set to False for a ranking that finds the best and leaves the others unordered."""
    single = True
    """Set to False for one that may leave responses level, the best too, but swaps none."""

    def test_ranks_as_a_perfect_judge_does(self) -> None:
        for quality in ((1, 0), (0, 1), *permutations(range(4))):
            scores = self._rank(len(quality), _by(quality))
            known = [score for score in scores if score is not None]
            assert len(known) == len(quality), f"not one score per response: {scores}"
            assert all(0 <= score <= 1 for score in known), f"{known} are not from 0 to 1"
            self._check_order(quality, known)

    def test_has_no_scores_where_nothing_was_read(self) -> None:
        for count in (2, 5):
            scores = self._rank(count, Compare(lambda a, b: None))
            assert tuple(scores) == (None,) * count, f"{scores} come from no judgment"

    def test_takes_a_failed_judgment_for_missing(self) -> None:
        scores = self._rank(4, Compare(lambda a, b: (a, b) if a and b else None))
        assert scores[0] is None, "a response has a score and no judgment was read"
        known = [score for score in scores[1:] if score is not None]
        assert not self.total or sorted(known) == known, "failed judgments change the others"

    def test_prefers_nothing_on_position_alone(self) -> None:
        for count in (2, 5):
            scores = self._rank(count, Compare(lambda a, b: (1.0, 0.0)))
            assert len(set(scores)) == 1, f"position bias comes out as {scores}"

    def test_asks_for_pairs_and_no_more_than_there_are(self) -> None:
        for count in (2, 5):
            judge = Compare(lambda a, b: (a, b))
            self._rank(count, judge)
            assert set(judge.asked) <= {*permutations(range(count), 2)}, "these are no pairs"
            assert len(judge.asked) <= count * (count - 1), "more judgments than ordered pairs"

    def test_opens_with_pairs_that_it_has_judged_whatever_they_say(self) -> None:
        for count in range(2, 7):
            opening = self.component.opening(count)
            both = {order for one, two in opening for order in ((one, two), (two, one))}
            for rule in (lambda a, b: (a, b), lambda a, b: (b, a), lambda a, b: None):
                judge = Compare(rule)
                self._rank(count, judge)
                assert both <= set(judge.asked), f"of {count}, {both - set(judge.asked)} is not"

    def test_has_every_judgment_reported(self) -> None:
        engine = always_first(PairwiseVerdict())
        judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine, ranking=self.component)
        ranked = judge.rank("Name a colour.", ["red", "green", "blue"])
        assert len(ranked.scores) == 3
        assert len(ranked.judgments) == len(engine.asked) > 0, "judgments are not reported"

    def _rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        async def rank() -> tuple[float | None, ...]:
            return await self.component.rank(count, judge)

        return run(rank())

    def _check_order(self, quality: Sequence[int], scores: Sequence[float]) -> None:
        if not self.single:
            by_quality = [scores[quality.index(place)] for place in range(len(scores))]
            assert by_quality == sorted(by_quality), f"{quality} is swapped: {scores}"
            assert len(set(scores)) > 1, f"a perfect judge of {quality} tells none apart"
            return
        by_score = sorted(range(len(scores)), key=scores.__getitem__)
        found = [quality[place] for place in by_score]
        best = scores.count(max(scores)) == 1 and found[-1] == max(quality)
        assert best, f"the best of {quality} is not alone on top: {scores}"
        assert not self.total or found == sorted(quality), f"{quality} is ranked {scores}"


def _by(quality: Sequence[int]) -> Compare:
    return Compare(lambda a, b: (quality[a], quality[b]))
