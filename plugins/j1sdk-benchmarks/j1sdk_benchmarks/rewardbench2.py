"""RewardBench 2 (allenai/reward-bench-2, split `test`): 1,865 prompts, best of four, and Ties.

Five subsets have one right and three wrong responses. A prompt earns 1/k where the right one is
among the k that are rated highest, else 0; what cannot be rated counts below every rating, and a
prompt of which nothing can be rated earns chance, 1/4. A pairwise judge is shown all pairs, and a
response is rated by its mean score in them: of verdicts, its share of wins.

Ties is about prompts with many right answers. It is made of pairs of prompts, `ref:N` with one
right answer and `tied:N` with several, and scored by ratings alone, on accuracy and on whether
right and wrong are further apart than the right ones are. It is not scored for a pairwise judge,
which rates no response by itself; then there is no overall score, the mean of all six.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from j1sdk import Benchmark, JudgeResult, JudgmentTask, Presentation
from j1sdk.evaluation import Credits, Means, Number, Row, Unit, mean_credits

TIES = "Ties"
SUBSETS = ("Factuality", "Precise IF", "Math", "Safety", "Focus", TIES)
BEST = "best of four"
UNRATED = -1.0
"""The official rating of a response whose rating could not be read."""
TIED, REF, MARGIN, HARD, RATIO, OLD_RATIO = (
    "Ties: tied prompts right",
    "Ties: reference prompts right",
    "Ties: margin over spread",
    "Ties: both margins over spread",
    "Ties: margin to spread",
    "Ties: margin to spread, spread above 0",
)
WEIGHTS = {TIED: 0.3, REF: 0.3, MARGIN: 0.2, HARD: 0.2}
OLD = "rewardbench 0.1.4"


class RewardBench2(Benchmark):
    """RewardBench 2, by the rules of its repository after 0.1.4."""

    name: ClassVar[str] = "rewardbench-2"
    hub: ClassVar[str] = "allenai/reward-bench-2"
    headline: ClassVar[str] = "overall"
    known_subsets: ClassVar[Collection[str]] = SUBSETS

    @property
    def size(self) -> int:
        return 1865

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        subset, name = row.text("subset"), row.name("id")
        if subset not in SUBSETS:
            raise row.wrong("subset", f"{subset!r} is none of {', '.join(SUBSETS)}")
        if subset == TIES and name.split(":")[0] not in ("ref", "tied"):
            raise row.wrong("id", f"expected ref:N or tied:N, got {name!r}")
        chosen, rejected = row.texts("chosen"), row.texts("rejected")
        rated = (1.0,) * len(chosen) + (0.0,) * len(rejected)
        yield JudgmentTask(
            prompt=row.text("prompt"),
            responses=(*chosen, *rejected),
            preferred=0,
            ratings=rated if len(chosen) > 1 else None,
            subset=subset,
            id=name if subset == TIES else f"{subset}/{name}",
        )

    def presentations(
        self, task: JudgmentTask, arity: int, both_orders: bool = True
    ) -> list[Presentation]:
        if task.subset == TIES and arity == 2:
            return []
        return super().presentations(task, arity, both_orders)

    def credits(self, result: JudgeResult) -> Credits:
        if result.task.subset == TIES:
            return super().credits(result)
        return {BEST: best_of(rated(result)), **super().credits(result)}

    def units(self, results: Iterable[JudgeResult]) -> list[Unit]:
        """A unit per prompt, but for Ties: there, per pair of prompts with one number."""
        ties: list[JudgeResult] = []

        def rest() -> Iterator[JudgeResult]:
            for result in results:
                if result.task.subset != TIES:
                    yield result
                else:
                    ties.append(result)

        return [*super().units(rest()), *self._ties(ties)]

    def _ties(self, results: Sequence[JudgeResult]) -> Iterator[Unit]:
        by_number: dict[str, dict[str, JudgeResult]] = {}
        for result in results:
            form, _, number = result.task.id.partition(":")
            by_number.setdefault(number, {})[form] = result
        for number, prompts in by_number.items():
            general = mean_credits([self.credits(result) for result in prompts.values()])
            judgments = [one for result in prompts.values() for one in result.judgments]
            alone = all(len(judgment.order) == 1 for judgment in judgments)
            own = ties_credits(prompts.get("ref"), prompts.get("tied")) if alone else {}
            yield Unit(number, TIES, {**general, **own})

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        official = {
            subset: means[BEST].of(subset)
            for subset in SUBSETS
            if BEST in means and subset in means[BEST]
        }
        old = dict(official)
        if TIED in means and REF in means:
            official[TIES] = ties_score(means, RATIO)
            old[TIES] = ties_score(means, OLD_RATIO)
        overall = {}
        if len(official) == len(SUBSETS):
            overall["overall"] = sum(official.values()) / len(SUBSETS)
            overall[f"overall, {OLD}"] = sum(old.values()) / len(SUBSETS)
        if TIES in old:
            official[f"{TIES}, {OLD}"] = old[TIES]
        return {**overall, **official, **super().aggregate(means)}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        scored = self.aggregate(means)
        missing = [subset for subset in SUBSETS if subset not in scored]
        notes = [f"No overall score: {', '.join(missing)} not scored."] if missing else []
        if TIES in missing:
            notes.append("Ties needs ratings of single responses, which a pairwise judge has not.")
        return notes


def rated(result: JudgeResult) -> list[float]:
    """The rating of each response, `UNRATED` where there is none."""
    return [UNRATED if score is None else score for score in result.scores]


def best_of(ratings: Sequence[float]) -> float:
    """The credit of a prompt whose first response is the right one."""
    highest = max(ratings)
    if highest == UNRATED:
        return 1 / len(ratings)
    return 1 / ratings.count(highest) if ratings[0] == highest else 0.0


def ties_credits(ref: JudgeResult | None, tied: JudgeResult | None) -> Credits:
    """What a pair of prompts contributes to the score of Ties (paper, section 3.2)."""
    ref_margin = None if ref is None else margin(ref)
    tied_margin = None if tied is None else margin(tied)
    known: Credits = {
        REF: None if ref_margin is None else float(ref_margin > 0),
        TIED: None if tied_margin is None else float(tied_margin > 0),
    }
    if tied is None or tied_margin is None or ref_margin is None or len(tied.task.golds) < 2:
        return known
    right = right_ratings(tied)
    spread, least = max(right) - min(right), min(ref_margin, tied_margin)
    return {
        **known,
        MARGIN: float(tied_margin > spread),
        HARD: float(least > spread),
        RATIO: apartness(least, spread),
        OLD_RATIO: apartness(least, spread) if spread > 0 else None,
    }


def right_ratings(result: JudgeResult) -> list[float]:
    """The ratings of the right responses."""
    ratings = rated(result)
    return [ratings[place] for place in result.task.golds]


def margin(result: JudgeResult) -> float:
    """How far the worst of the right responses is above the best of the wrong ones."""
    golds = result.task.golds
    wrong = [rating for place, rating in enumerate(rated(result)) if place not in golds]
    return min(right_ratings(result)) - max(wrong)


def apartness(least: float, spread: float) -> float:
    """The tanh of how often the spread fits into the margin, less 1; its limit for no spread."""
    if spread == 0:
        return math.copysign(1.0, least) if least else 0.0
    return math.tanh(least / spread - 1)


def ties_score(means: Mapping[str, Means], ratio: str) -> Number:
    """The score of Ties, by how the ratio's mean treats prompts without spread."""
    score = sum(weight * means[name].micro() for name, weight in WEIGHTS.items() if name in means)
    return score + 0.01 * means[ratio].micro() if ratio in means else score
