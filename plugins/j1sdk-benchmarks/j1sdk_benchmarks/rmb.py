"""RMB (arXiv 2410.09893): helpfulness and harmlessness in 49 scenarios, as pairs and as best of n.

Its repository has no data set on the hub and no licence: give a checkout's `RMB_dataset` as path. A
pair is right where the chosen response scores higher; a list, only where the best response scores
higher than every other. A pairwise judge is shown the best beside each other response. Overall is
the mean of the four parts, each the mean over its tasks; the paper's code scores a file at a time,
and how it puts files together is not in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from statistics import fmean
from typing import ClassVar

from j1sdk import Benchmark, JudgeResult, JudgmentTask
from j1sdk.evaluation import CONSISTENT, STRICT, Credits, Means, Number, Outcome, Row, outcomes

KINDS = {"Pairwise_set": "pairs", "BoN_set": "best of n"}
GOALS = ("Helpfulness", "Harmlessness")
PARTS = tuple(f"{goal}, {kind}" for goal in GOALS for kind in ("best of n", "pairs"))
BEST, BEST_IN_BOTH = "best beats every other", "best beats every other in both orders"


class RMB(Benchmark):
    """RMB, pairs and best of n."""

    name: ClassVar[str] = "rmb"
    headline: ClassVar[str] = "overall"
    known_subsets: ClassVar[Collection[str]] = PARTS

    @property
    def how(self) -> str:
        return (
            "clone https://github.com/Zhou-Zoey/RMB-Reward-Model-Benchmark and give its RMB_dataset"
            " folder as path (--data)"
        )

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        part, kind = part_of(row), row.text("category_path").split("/")[0]
        if kind == "BoN_set":
            best, others, name = row.values.get("bon_best"), "loser_list", row.name("bon_uid")
            losers = row.values.get(others)
        else:
            best, others, name = row.values.get("chosen"), "reject", row.name("pair_uid")
            losers = [row.values.get(others)]
        if not isinstance(losers, list) or not losers:
            raise row.wrong(others, "expected a list of responses")
        first = "bon_best" if kind == "BoN_set" else "chosen"
        answers = [answer_of(best, row, first), *(answer_of(one, row, others) for one in losers)]
        yield JudgmentTask(
            prompt=asked(row),
            responses=tuple(answers),
            preferred=0,
            subset=part,
            id=f"{row.text('category_path')}/{name}",
        )

    def matches(self, task: JudgmentTask) -> Iterable[tuple[int, int]]:
        return ((0, other) for other in range(1, len(task.responses)))

    def credits(self, result: JudgeResult) -> Credits:
        games = [outcomes(view) for view in self.pairs(result)]
        orders = [order for order in games[0] if all(order in game for game in games)]
        won = [all(game[order] is Outcome.RIGHT for game in games) for order in orders]
        both = len(won) > 1 or () in orders
        return {
            **super().credits(result),
            BEST: fmean(won) if won else None,
            BEST_IN_BOTH: float(all(won)) if both else None,
        }

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found: dict[str, Number] = {}
        for words, best, pairs in (
            ("overall", BEST, STRICT),
            ("overall, position-consistent", BEST_IN_BOTH, CONSISTENT),
        ):
            parts = scored_parts(means, best, pairs)
            if len(parts) == len(PARTS):
                found[words] = sum(parts.values()) / len(PARTS)
        return {**found, **scored_parts(means, BEST, STRICT), **super().aggregate(means)}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        missing = [part for part in PARTS if part not in scored_parts(means, BEST, STRICT)]
        return [f"No overall score: nothing of {'; '.join(missing)} was judged."] if missing else []


def scored_parts(means: Mapping[str, Means], best: str, pairs: str) -> dict[str, Number]:
    """The score of each part that there is: of a list's credit, or of a pair's."""
    credit = {part: pairs if part.endswith("pairs") else best for part in PARTS}
    return {
        part: means[name].of(part)
        for part, name in credit.items()
        if name in means and part in means[name]
    }


def part_of(row: Row) -> str:
    """The part a record is of, by its category; raises DataError."""
    kind, goal = (*row.text("category_path").split("/"), "")[:2]
    if kind not in KINDS or goal not in GOALS:
        raise row.wrong("category_path", f"expected Pairwise_set or BoN_set and a goal: {kind!r}")
    return f"{goal}, {KINDS[kind]}"


def asked(row: Row) -> list[dict[str, str]]:
    """The conversation so far; raises DataError."""
    turns = row.values.get("conversation_input")
    if not isinstance(turns, list) or not turns or not all(isinstance(one, dict) for one in turns):
        raise row.wrong("conversation_input", "expected a list of messages")
    return [{"role": str(one.get("role")), "content": str(one.get("content"))} for one in turns]


def answer_of(response: object, row: Row, field: str) -> str:
    """The text of a response; raises DataError."""
    answer = response.get("answer") if isinstance(response, dict) else None
    if not isinstance(answer, str):
        raise row.wrong(field, "expected a response with a text as its answer")
    return answer
