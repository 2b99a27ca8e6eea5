"""How good a ranking of n responses is, against the judgments it spends.

    python benchmarks/ranking.py            # some minutes; writes benchmarks/results/ranking.*
    python benchmarks/ranking.py --quick    # seconds; the same in small

Qualities are standard normal. A simulated judge prefers the response shown first with probability
sigmoid(slope x difference + bias). Within a setting all rankings are asked of the same judgments.
The control plays pairs drawn at random, as many as `adaptive`, and makes the same fit to them.

Two measures: Kendall's tau (a: a pair left level counts 0, so that a ranking gains nothing by
leaving it level) of scores and qualities, and how often the best response is the one on top
(shared where the top is). Kendall's tau-b, which does reward levels, stands beside them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from math import exp, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import ClassVar, NamedTuple

from recording import Row, parser, record

from j1sdk import Adaptive, Judgment, JudgmentStatus, Knockout, Pivot, Ranking, RoundRobin
from j1sdk.rankings import JudgePairs, matches
from j1sdk.rankings.bradley_terry import fitted, prior

SLOPES = (3.0, 1.0)
BIASES = (0.5, 1.5)
SHARES = (0.0, 0.2, 0.4, 0.6)
"""Budgets of `adaptive`; it never spends less than 2(n-1), what pivot and knockout do."""
REPETITIONS = {4: 1500, 8: 500, 16: 120, 32: 32}
QUICK = {4: 40, 8: 20}
MEASURES = ("tau", "best of n", "tau-b")
RIVALS = ("pivot", "knockout", "random")


class RandomPairs(Ranking):
    """The control: pairs drawn at random, fitted as `adaptive` fits its own."""

    name: ClassVar[str] = "random"
    pairs: int
    seed: int

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        everyone = list(combinations(range(count), 2))
        pairs = random.Random(self.seed).sample(everyone, self.pairs)
        results = zip(pairs, await matches(pairs, judge), strict=True)
        read = {pair: won for pair, won in results if won is not None}
        # One that was not drawn is in the middle, where the prior has it.
        return fitted(read, prior(count)).scores(range(count))


class Setting(NamedTuple):
    """A judge, and how many responses it ranks."""

    n: int
    slope: float
    bias: float


class Simulated:
    """A judge of known noise and bias; asked the same again, it says the same."""

    def __init__(self, setting: Setting, seed: int) -> None:
        draw = random.Random(f"{seed} {setting.n}")
        self.qualities = [draw.gauss(0, 1) for _ in range(setting.n)]
        self.spent = self.rounds = 0
        self._setting = setting
        self._luck = {pair: draw.random() for pair in product(range(setting.n), repeat=2)}

    async def __call__(self, pairs: Sequence[tuple[int, int]]) -> list[Judgment]:
        self.spent += len(pairs)
        self.rounds += 1
        return [self._judgment(pair) for pair in pairs]

    def _judgment(self, pair: tuple[int, int]) -> Judgment:
        difference = self.qualities[pair[0]] - self.qualities[pair[1]]
        logit = self._setting.slope * difference + self._setting.bias
        first = self._luck[pair] < 1 / (1 + exp(-logit))
        scores = (1.0, 0.0) if first else (0.0, 1.0)
        return Judgment(task_id="simulated", order=pair, scores=scores, status=JudgmentStatus.OK)


def measured(qualities: Sequence[float], scores: Sequence[float]) -> dict[str, float]:
    """The measures of one ranking."""
    pairs = list(combinations(range(len(scores)), 2))
    ordered = [_sign(scores[one] - scores[other]) for one, other in pairs]
    right = sum(
        sign * _sign(qualities[one] - qualities[other])
        for sign, (one, other) in zip(ordered, pairs, strict=True)
    )
    apart = sum(map(abs, ordered))
    top = [place for place, score in enumerate(scores) if _sign(score - max(scores)) == 0]
    best = max(range(len(scores)), key=qualities.__getitem__)
    return {
        "tau": right / len(pairs),
        "best of n": (best in top) / len(top),
        "tau-b": right / sqrt(len(pairs) * apart) if apart else 0.0,
    }


def _sign(value: float) -> int:
    return 0 if abs(value) < 1e-9 else 1 if value > 0 else -1


def rankings(count: int, seed: int) -> Iterator[tuple[str, Ranking]]:
    """What is compared, by name and budget."""
    yield "round-robin", RoundRobin()
    yield "pivot", Pivot()
    yield "knockout", Knockout()
    budgets = {_pairs(count, share): share for share in reversed(SHARES)}
    for pairs, share in budgets.items():
        yield f"adaptive {2 * pairs}", Adaptive(budget=share or 1e-9)
        yield f"two-rounds {2 * pairs}", Adaptive(budget=share or 1e-9, rounds=2)
        yield f"random {2 * pairs}", RandomPairs(pairs=pairs, seed=seed)


def _pairs(count: int, share: float) -> int:
    """How many pairs `adaptive` plays with this budget."""
    return max(count - 1, int(share * count * (count - 1) / 2 + 1e-9))


def run(setting: Setting, repetitions: int) -> list[Row]:
    """A row per ranking: mean and standard error of each measure."""
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    spent: dict[str, int] = {}
    waits: dict[str, list[int]] = defaultdict(list)
    for seed in range(repetitions):
        for name, ranking in rankings(setting.n, seed):
            judge = Simulated(setting, seed)
            scores = asyncio.run(_rank(ranking, setting.n, judge))
            known = [score for score in scores if score is not None]
            found[name].append(measured(judge.qualities, known))
            spent[name] = judge.spent
            waits[name].append(judge.rounds)
    return [
        {"slope": setting.slope, "bias": setting.bias, "n": setting.n}
        | {"ranking": name.split()[0], "judgments": spent[name], "rounds": fmean(waits[name])}
        | {key: value for one in MEASURES for key, value in _mean(rows, one).items()}
        | {"repetitions": repetitions}
        for name, rows in found.items()
    ]


async def _rank(ranking: Ranking, count: int, judge: Simulated) -> tuple[float | None, ...]:
    return await ranking.rank(count, judge)


def _mean(rows: Sequence[dict[str, float]], measure: str) -> dict[str, float]:
    values = [row[measure] for row in rows]
    return {measure: fmean(values), f"± {measure}": stdev(values) / sqrt(len(values))}


def contests(rows: Sequence[Row]) -> list[Row]:
    """`adaptive` less each rival, at equal judgments of the same judge."""
    same = ("n", "slope", "bias", "judgments")
    own = {tuple(row[key] for key in same): row for row in rows if row["ranking"] == "adaptive"}
    return [
        {key: rival[key] for key in (*same, "ranking")}
        | {one: own[tuple(rival[key] for key in same)][one] - rival[one] for one in MEASURES}
        for rival in rows
        if rival["ranking"] in RIVALS
    ]


def summary(rows: Sequence[Row]) -> dict[str, str]:
    """In how many contests `adaptive` is above each rival, and what of round robin it keeps."""
    found = {}
    for rival in RIVALS:
        mine = [one for one in contests(rows) if one["ranking"] == rival]
        parts = [
            f"{one} {sum(_sign(row[one]) > 0 for row in mine)} of {len(mine)}"
            f" (level in {sum(_sign(row[one]) == 0 for row in mine)})"
            for one in MEASURES
        ]
        found[f"adaptive above {rival}"] = ", ".join(parts)
    for (slope, bias), n in product(product(SLOPES, BIASES), sorted({row["n"] for row in rows})):
        here = [row for row in rows if (row["n"], row["slope"], row["bias"]) == (n, slope, bias)]
        full = next(row["tau"] for row in here if row["ranking"] == "round-robin")
        pairs = _pairs(n, 0.4)
        share = pairs / (n * (n - 1) / 2)
        named = f"tau kept, n = {n}, slope {slope:g}, bias {bias:g}"
        kept = [
            f"{row['tau'] / full:.1%} in {row['rounds']:.1f} rounds"
            for row in here
            if row["ranking"] in ("adaptive", "two-rounds") and row["judgments"] == 2 * pairs
        ]
        found[named] = f"{', '.join(kept)}, at {share:.0%} of the judgments"
    return found


def draw(rows: Sequence[Row], path: Path) -> None:
    """Tau against judgments, a panel per n, for the first judge; needs matplotlib."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    counts = sorted({row["n"] for row in rows})
    figure, panels = plt.subplots(1, len(counts), figsize=(4 * len(counts), 3.6), squeeze=False)
    for count, panel in zip(counts, panels[0], strict=True):
        for name in dict.fromkeys(row["ranking"] for row in rows):
            mine = [
                row
                for row in rows
                if (row["n"], row["slope"], row["bias"]) == (count, SLOPES[0], BIASES[0])
                and row["ranking"] == name
            ]
            mine.sort(key=lambda row: int(row["judgments"]))
            spent, taus = [row["judgments"] for row in mine], [row["tau"] for row in mine]
            errors = [2 * row["± tau"] for row in mine]
            panel.errorbar(spent, taus, yerr=errors, marker="o", label=name)
        panel.set(title=f"n = {count}", xlabel="judgments", ylabel="Kendall's tau")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    """Measure, print, write."""
    chosen = parser((__doc__ or "").splitlines()[0]).parse_args()
    began = time.monotonic()
    rows: list[Row] = []
    for slope, bias in product(SLOPES, BIASES):
        for count, repetitions in (QUICK if chosen.quick else REPETITIONS).items():
            rows += run(Setting(count, slope, bias), repetitions)
    facts = summary(rows) | {
        "repetitions": "one seed each, from 0 on; the column after a measure is its standard error",
        "seconds": round(time.monotonic() - began),
    }
    title = "Rankings: quality against judgments spent"
    record("ranking", title, rows, chosen.out, **facts)
    draw(rows, chosen.out / "ranking.svg")


if __name__ == "__main__":
    main()
