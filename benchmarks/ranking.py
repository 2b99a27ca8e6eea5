"""How good a ranking of n responses is, against the judgments it spends.

    python benchmarks/ranking.py            # some minutes; writes benchmarks/results/ranking.*
    python benchmarks/ranking.py --quick    # seconds; the same in small

Qualities are standard normal. A simulated judge prefers the response shown first with probability
sigmoid(slope x difference + bias): it has logistic noise in its logit, and says on which side of 0
that is. Rankings called `expected` are told the sigmoid of the same logit, as a judge is read with
`reading = "expected"`. Within a setting all rankings are asked of the same judgments.
The control plays pairs drawn at random, as many as `adaptive`, and makes the same fit to them.
`circular` (each against the next ones of a ring, as in NeMo Gym) and `tournament` (a ring, then all
against its best and those against each other, as in llm-verifier) are peers' schedules.

How long a ranking takes is counted in judgments one after another: on an idle engine its rounds, on
an engine with 16 places the batches of 16 that its rounds fill.

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
from math import ceil, exp, log, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import ClassVar, NamedTuple

from recording import Row, parser, record

from j1sdk import Adaptive, Judgment, JudgmentStatus, Knockout, Pivot, Ranking, RoundRobin
from j1sdk.rankings import JudgePairs, matches, mean_wins
from j1sdk.rankings.bradley_terry import fitted, prior

SLOPES = (3.0, 1.0)
BIASES = (0.5, 1.5)
SHARES = (0.0, 0.2, 0.4, 0.6)
"""Budgets of `adaptive`; it never spends less than 2(n-1), what pivot and knockout do."""
REPETITIONS = {4: 1500, 8: 500, 16: 120, 32: 32}
QUICK = {4: 40, 8: 20}
PLACES = 16
MEASURES = ("tau", "best of n", "tau-b")
RIVALS = ("pivot", "knockout", "random")
PEERS = (1, 3)
"""How far ahead `circular` goes, and how many of the best `tournament` takes for pivots."""


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


class Circular(Ranking):
    """Each response against the next `ahead` of a ring."""

    name: ClassVar[str] = "circular"
    ahead: int

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = ring(count, self.ahead)
        return mean_wins(count, zip(pairs, await matches(pairs, judge), strict=True))


class Tournament(Ranking):
    """A ring, then everyone against the `pivots` that did best there; mean wins over all."""

    name: ClassVar[str] = "tournament"
    pivots: int

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = ring(count, 1)
        found = dict(zip(pairs, await matches(pairs, judge), strict=True))
        first = mean_wins(count, found.items())
        best = sorted(range(count), key=lambda one: -(first[one] or 0.0))[: self.pivots]
        asked = {frozenset(pair) for pair in pairs}
        rest = [
            (one, other)
            for one, other in combinations(range(count), 2)
            if {one, other} & {*best} and frozenset((one, other)) not in asked
        ]
        found |= dict(zip(rest, await matches(rest, judge), strict=True))
        return mean_wins(count, found.items())


def ring(count: int, ahead: int) -> list[tuple[int, int]]:
    """Each response with the next ones of a ring, no pair twice."""
    pairs = {
        frozenset((one, (one + step) % count))
        for one in range(count)
        for step in range(1, ahead + 1)
    }
    return sorted((min(pair), max(pair)) for pair in pairs if len(pair) == 2)


class Setting(NamedTuple):
    """A judge, and how many responses it ranks."""

    n: int
    slope: float
    bias: float


class Simulated:
    """A judge of known noise and bias; asked the same again, it says the same."""

    def __init__(self, setting: Setting, seed: int, expected: bool = False) -> None:
        draw = random.Random(f"{seed} {setting.n}")
        self.qualities = [draw.gauss(0, 1) for _ in range(setting.n)]
        self.spent = self.rounds = self.batches = 0
        self._setting, self._expected = setting, expected
        self._luck = {pair: draw.random() for pair in product(range(setting.n), repeat=2)}

    async def __call__(self, pairs: Sequence[tuple[int, int]]) -> list[Judgment]:
        self.spent += len(pairs)
        self.rounds += 1
        self.batches += ceil(len(pairs) / PLACES)
        return [self._judgment(pair) for pair in pairs]

    def costs(self) -> dict[str, float]:
        """What was asked of it."""
        return {
            "judgments": self.spent,
            "rounds": self.rounds,
            f"batches of {PLACES}": self.batches,
        }

    def _judgment(self, pair: tuple[int, int]) -> Judgment:
        difference = self.qualities[pair[0]] - self.qualities[pair[1]]
        noise = log(1 / self._luck[pair] - 1)  # logistic: the first wins with the sigmoid's chance
        logit = self._setting.slope * difference + self._setting.bias + noise
        first = 1 / (1 + exp(-logit))
        scores = (first, 1 - first) if self._expected else (float(logit > 0), float(logit <= 0))
        return Judgment(
            task_id="simulated",
            order=pair,
            scores=scores,
            status=JudgmentStatus.OK,
            probabilities=({"A": first, "B": 1 - first},),
        )


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
        yield f"expected {2 * pairs}", Adaptive(budget=share or 1e-9, rounds=2)
        yield f"random {2 * pairs}", RandomPairs(pairs=pairs, seed=seed)
    yield "expected-round-robin", RoundRobin()
    for number in PEERS:
        yield f"circular {number}", Circular(ahead=number)
        yield f"tournament {number}", Tournament(pivots=number)


def _pairs(count: int, share: float) -> int:
    """How many pairs `adaptive` plays with this budget."""
    return max(count - 1, int(share * count * (count - 1) / 2 + 1e-9))


def run(setting: Setting, repetitions: int) -> list[Row]:
    """A row per ranking: mean and standard error of each measure."""
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for seed in range(repetitions):
        for name, ranking in rankings(setting.n, seed):
            judge = Simulated(setting, seed, expected=name.startswith("expected"))
            scores = asyncio.run(_rank(ranking, setting.n, judge))
            known = [score for score in scores if score is not None]
            found[name].append(measured(judge.qualities, known) | judge.costs())
    return [
        {"slope": setting.slope, "bias": setting.bias, "n": setting.n, "ranking": name.split()[0]}
        | {cost: fmean(row[cost] for row in rows) for cost in judge.costs()}
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
            if row["ranking"] in ("adaptive", "two-rounds", "expected")
            and row["judgments"] == 2 * pairs
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
