"""PPE, correctness (lmarena-ai/PPE-*-Best-of-K): prompts of five benchmarks, 32 responses to each.

There are 2,555 prompts, and every response is marked right or wrong. `ppe-correctness` scores the
pairs that upstream sampled of each prompt, one right and one wrong; a pair sampled twice counts
twice, and overall is the mean of the five benchmarks. `ppe-best-of-k` has the same prompts, and
scores what is gained by drawing k responses and keeping the judge's favourite.

Papers on J1 and its peers judge each pair in one order, drawn at random. The formulas are those of
PPE's blog post, of the J1 paper (arXiv 2505.10320), and of public code that follows PPE's; that
itself was not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import comb
from statistics import fmean
from typing import ClassVar

from j1sdk import Benchmark, ConfigError, DataError, JudgeResult, JudgmentTask, Presentation
from j1sdk.evaluation import CONSISTENT, STRICT, Credits, Means, Number, Row, rows_of_hub

SETS = {
    "MMLU-Pro": "mmlu_pro",
    "MATH": "math",
    "GPQA": "gpqa",
    "IFEval": "ifeval",
    "MBPP-Plus": "mbpp_plus",
}
"""The five benchmarks, as in the names of upstream's data sets, and as in those of its code."""
NAMES = {**{name.lower(): name for name in SETS}, **{code: name for name, code in SETS.items()}}
PLACES = re.compile(
    rf"PPE-({'|'.join(SETS)})-Best-of-K|({'|'.join(SETS.values())})_best_of_k", re.IGNORECASE
)


class Correctness(Benchmark):
    """What both benchmarks on correctness share: their records, from five data sets."""

    @property
    def how(self) -> str:
        return (
            "Without a network, download the five data sets"
            " https://huggingface.co/datasets/lmarena-ai/PPE-{" + ",".join(SETS) + "}-Best-of-K"
            " elsewhere, keep the folders' names, and give the folder that holds them as path"
            " (--data)"
        )

    def rows(self) -> Iterator[Row]:
        """The records, each with its `set`: of five data sets, or told by its file's path."""
        found = super().rows() if self.path else self._of_hub()
        yield from (row._replace(values={**row.values, "set": set_of(row)}) for row in found)

    def _of_hub(self) -> Iterator[Row]:
        for name in SETS:
            yield from rows_of_hub(f"lmarena-ai/PPE-{name}-Best-of-K", "train", self.how)

    def responses(self, row: Row) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The responses of a record, and 1 for each that is right; raises DataError."""
        right = row.values.get("scores")
        if not isinstance(right, list) or not right or not all(one in (0, 1) for one in right):
            raise row.wrong("scores", "expected a list of true and false")
        texts = tuple(row.text(f"response_{number}") for number in range(1, len(right) + 1))
        return texts, tuple(map(float, right))

    def named(self, row: Row) -> str:
        """What names a prompt: the same question was put to several models."""
        return "/".join((row.text("set"), row.name("question_id"), row.text("model_name")))


class PPECorrectness(Correctness):
    """Right against wrong responses, the pairs upstream sampled."""

    name: ClassVar[str] = "ppe-correctness"
    headline: ClassVar[str] = "overall"

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        texts, right = self.responses(row)
        sampled = row.values.get("sampled_conflict_pairs")
        if not isinstance(sampled, list):
            raise row.wrong("sampled_conflict_pairs", "expected a list of pairs")
        for pair in sampled:
            if not _differ(pair, right):
                raise row.wrong("sampled_conflict_pairs", f"{pair} is no pair of right and wrong")
            first, second = pair
            yield JudgmentTask(
                prompt=row.text("prompt"),
                responses=(texts[first], texts[second]),
                preferred=0 if right[first] else 1,
                subset=row.text("set"),
                id=f"{self.named(row)}/{first}-{second}",
            )

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found: dict[str, Number] = {}
        for words, credit in (("", STRICT), (", position-consistent", CONSISTENT)):
            if credit in means and all(one in means[credit] for one in SETS):
                found[f"overall{words}"] = means[credit].macro(SETS)
        sets = {one: means[STRICT].of(one) for one in SETS if one in means[STRICT]}
        return {**found, **sets, **super().aggregate(means)}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        return _missing(means[STRICT])


def _differ(pair: object, right: Sequence[float]) -> bool:
    """Whether this is a pair of indices of a right and a wrong response."""
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    if not all(type(one) is int and 0 <= one < len(right) for one in pair):
        return False
    return right[pair[0]] != right[pair[1]]


def _missing(means: Means) -> list[str]:
    missing = [one for one in SETS if one not in means]
    return [f"No overall score: nothing of {', '.join(missing)} was judged."] if missing else []


BEST, POSSIBLE, AUC = "best of ", "best possible of ", "ROC AUC within prompts"
SHOWN = (1, 2, 4, 8, 16, 32)
"""Points of the curve that are reported."""
RESPONSES = 32
CURVE = range(1, RESPONSES + 1)


class PPEBestOfK(Correctness):
    """How right the judge's favourite of k responses is, for a judge that scores each by itself.

    A prompt's curve is the chance that the favourite of k responses is right, over all ways to
    draw them, computed exactly where upstream draws at random. Equal favourites are equally
    likely, and a response without a score comes last. `loss` is the mean squared gap to the
    curve of a perfect judge, `max score` the highest point of the mean curve, `end score` its last.
    The AUC is that of one prompt's responses, averaged; upstream's may be of prompts together.
    """

    name: ClassVar[str] = "ppe-best-of-k"
    headline: ClassVar[str] = "end score"

    @property
    def size(self) -> int:
        return 2555

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        texts, right = self.responses(row)
        if len(right) != RESPONSES or len(set(right)) < 2:
            raise row.wrong("scores", f"expected {RESPONSES}, some of them true and some false")
        yield JudgmentTask(
            prompt=row.text("prompt"),
            responses=texts,
            preferred=right.index(max(right)),
            ratings=right,
            subset=row.text("set"),
            id=self.named(row),
        )

    def presentations(
        self, task: JudgmentTask, arity: int, both_orders: bool = True
    ) -> list[Presentation]:
        if arity != 1:
            raise ConfigError(
                f"{self.name} needs a score for each response: choose a pointwise format, or"
                " ppe-correctness"
            )
        return super().presentations(task, arity)

    def pairs(self, result: JudgeResult) -> list[JudgeResult]:
        """None: some 250 pairs of each prompt would say in minutes what the AUC does at once."""
        return []

    def credits(self, result: JudgeResult) -> Credits:
        if {judgment.order for judgment in result.judgments} != {(n,) for n in range(RESPONSES)}:
            raise DataError(f"{result.task.id}: judge each of its {RESPONSES} responses by itself")
        golds = result.task.golds
        right = [float(place in golds) for place in range(len(result.task.responses))]
        scores = [float("-inf") if score is None else score for score in result.scores]
        found, possible = curve(scores, right), curve(right, right)
        return {
            **{f"{BEST}{k}": found[k - 1] for k in CURVE},
            **{f"{POSSIBLE}{k}": possible[k - 1] for k in CURVE},
            AUC: auc(scores, right),
        }

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        by_set = {one: curve_scores(means, one) for one in SETS if one in means[f"{BEST}1"]}
        found = {
            f"{name}, {one}": value
            for one, known in by_set.items()
            for name, value in known.items()
        }
        if len(by_set) < len(SETS):
            return found
        names = [name for name in by_set["MATH"] if all(name in one for one in by_set.values())]
        overall = {name: sum(one[name] for one in by_set.values()) / len(SETS) for name in names}
        return {**overall, **found}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        return _missing(means[f"{BEST}1"])


def curve_scores(means: Mapping[str, Means], subset: str) -> dict[str, Number]:
    """What the mean curve of one set comes to."""
    points = [means[f"{BEST}{k}"].of(subset) for k in CURVE]
    possible = [means[f"{POSSIBLE}{k}"].of(subset) for k in CURVE]
    highest = points[0]
    for point in points:
        highest = (highest + point + abs(highest - point)) / 2  # the larger one, of arrays too
    gaps = [(most - point) ** 2 for most, point in zip(possible, points, strict=True)]
    within = {AUC: means[AUC].of(subset)} if AUC in means and subset in means[AUC] else {}
    return {
        "end score": points[-1],
        "max score": highest,
        "loss": sum(gaps) / len(gaps),
        **within,
        **{f"{BEST}{k}": points[k - 1] for k in SHOWN},
    }


def curve(scores: Sequence[float], right: Sequence[float]) -> list[float]:
    """The chance that the highest scored of k responses is right, for every k from 1 to all.

    The k are drawn without replacement; of equal scores, each is as likely the highest.
    """
    tied: list[tuple[int, int, float]] = []
    below = 0
    for score in sorted(set(scores)):
        members = [good for one, good in zip(scores, right, strict=True) if one == score]
        tied.append((below, below + len(members), fmean(members)))
        below += len(members)
    highest = (
        sum((comb(up_to, k) - comb(under, k)) * good for under, up_to, good in tied)
        for k in range(1, below + 1)
    )
    return [one / comb(below, k) for k, one in enumerate(highest, 1)]


def auc(scores: Sequence[float], right: Sequence[float]) -> float | None:
    """The chance that a right response scores above a wrong one, ties half; None without both."""
    good = [score for score, one in zip(scores, right, strict=True) if one]
    bad = [score for score, one in zip(scores, right, strict=True) if not one]
    if not good or not bad:
        return None
    return fmean((high > low) + (high == low) / 2 for high in good for low in bad)


def set_of(row: Row) -> str:
    """The benchmark a record is of, by its data set's or its file's name; raises DataError."""
    found = PLACES.findall(row.where)
    if not found:
        raise row.wrong(
            "set", "the path must tell which it is, as PPE-MATH-Best-of-K or math_best_of_k does"
        )
    return NAMES["".join(found[-1]).lower()]
