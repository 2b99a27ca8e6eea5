"""Does a judge learn in the real OpenRLHF, whichever judge it starts from?

    python benchmarks/openrlhf_learning.py            # two hours, in .venv-stack
    python benchmarks/openrlhf_learning.py --quick    # minutes; the same in small

A judge that prefers what it is shown first is trained by OpenRLHF's GRPO on the CPU (Ray, vLLM and
DeepSpeed; `tests/stack/shim` stands in for a GPU): once by labels, and once, on the same tasks in
the same order, by tosses in their place. Each starting judge is made anew from its seed. The recipe
was chosen on starts of its own, the pilots, whose figures are kept in rows of their own.

Judges and measurements stay in a folder that git ignores. What is there is not made again, so an
interrupted run goes on. Remove the folder to measure anew.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import torch
from pydantic import TypeAdapter
from recording import Row, hash_of, parser, record, spread
from transformers import AutoModelForCausalLM, AutoTokenizer

from j1sdk import Source
from j1sdk.evaluation.metrics import Metrics, measure
from j1sdk.files import write_text
from j1sdk.run import Run

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from biased_judge import biased_judge, odds_of  # noqa: E402
from learning import RECIPE, TESTED, Recipe, judged, run_of, sums, tossed  # noqa: E402
from learnt import ALPHA, SignTest, exact, right_in_both, sign_test  # noqa: E402
from openrlhf_runs import VLLM_ON_CPU, finish, started  # noqa: E402

WORK = ROOT / ".cache" / "openrlhf-learning"
LABELS, TOSSES = "labels", "tosses"
GREEDY, SAMPLED = "greedy", "T = 1"
DRAWS = {GREEDY: [(0.0, 0)], SAMPLED: [(1.0, 1), (1.0, 2)]}
"""How verdicts are drawn: at which temperatures, from which seeds."""
RATES = {
    "consistent": "position_consistent_accuracy",
    "flips": "verdict_flip_rate",
    "accuracy": "accuracy",
}


APART = "labels alone right : tosses alone"


class Drawn(NamedTuple):
    """A judge's verdicts on the held-out pairs, drawn once."""

    metrics: Metrics
    consistent: list[bool]
    """Of each pair, whether it was judged right in both orders."""


Measured = dict[str, list[Drawn]]
"""By `GREEDY` and `SAMPLED`."""
Trained = dict[int, Measured]
"""By step."""
KEPT = TypeAdapter(Trained)
CHOSEN = (
    "recipe and length were fixed on two pilots of an earlier kind of start: by step 20 both had"
    " passed 0.8 at T = 1, and half as many steps were added. They were kept when the starts were"
    " made anew with a measured bias"
)


TESTED_WHY = (
    f"`make test-stack` trains for {TESTED.steps} steps, chosen on the first three starts below"
)


class Trial(NamedTuple):
    """One starting judge, trained in one way."""

    start: int
    by: str
    recipe: Recipe = RECIPE
    pilot: bool = False

    @property
    def name(self) -> str:
        return "-".join(map(str, (self.start, self.by, *self.recipe)))


class Setting(NamedTuple):
    """How much of everything."""

    starts: Sequence[int] = range(5)
    recipe: Recipe = RECIPE
    pilots: Sequence[int] = ()
    """Starts to choose a recipe on, before any other is trained."""
    every: int = 10
    """Steps between checkpoints; each of them is measured."""
    pairs: int = 300

    @property
    def paired(self) -> list[tuple[Trial, Trial]]:
        """By labels and by tosses from each start; pilots are not among them."""
        return [
            (Trial(start, LABELS, self.recipe), Trial(start, TOSSES, self.recipe))
            for start in self.starts
        ]

    @property
    def trials(self) -> list[Trial]:
        """Pilots go on for longer."""
        longer = self.recipe._replace(steps=self.recipe.steps + self.every)
        return [
            *(Trial(start, LABELS, longer, True) for start in self.pilots),
            *(trial for pair in self.paired for trial in pair),
        ]


QUICK = Setting((0,), Recipe(steps=2, tasks=4, rollouts=2), pilots=(), every=1, pairs=10)


class Learning:
    """The experiment, in one folder."""

    def __init__(self, work: Path, setting: Setting) -> None:
        self.work, self.setting = work, setting

    def run(self) -> dict[Trial, Trained]:
        """Every trial, what is there already and what is not; step 0 is the starting judge."""
        return {
            trial: self.start(trial.start) | self.trained(trial) for trial in self.setting.trials
        }

    def start(self, seed: int) -> Trained:
        return self._kept(self.work / f"start-{seed}.json", lambda: {0: biased_judge(seed)})

    def trained(self, trial: Trial) -> Trained:
        return self._kept(self.work / f"{trial.name}.json", lambda: self.train(trial))

    def _kept(self, path: Path, make: Callable[[], dict[int, Path]]) -> Trained:
        if not path.exists():
            measured = {step: self.measured(judge) for step, judge in make().items()}
            write_text(path, KEPT.dump_json(measured).decode())
        return KEPT.validate_json(path.read_bytes())

    def measured(self, judge: Path) -> Measured:
        return {name: [self.drawn(judge, *draw) for draw in draws] for name, draws in DRAWS.items()}

    def drawn(self, judge: Path, temperature: float, seed: int) -> Drawn:
        results = judged(judge, self.setting.pairs, temperature, seed)
        return Drawn(measure(results), right_in_both(results))

    def train(self, trial: Trial) -> dict[int, Path]:
        """The judge after so many steps."""
        out = self.work / trial.name / "out"
        if not (out / "judge").exists():
            shutil.rmtree(out.parent, ignore_errors=True)
            out.parent.mkdir(parents=True)
            with started(self.training(trial, out.parent), out) as command:
                finish(command, 3600)
        checkpoints = out / "openrlhf" / "checkpoints"
        steps = range(self.setting.every, trial.recipe.steps + 1, self.setting.every)
        return {step: checkpoints / f"global_step{step}_hf" for step in steps}

    def training(self, trial: Trial, folder: Path) -> Run:
        data: Source = sums(trial.recipe, 1000 + trial.start)
        if trial.by == TOSSES:
            data = tossed(data, folder / "tosses.jsonl")
        options = {"ckpt.save_hf": True, "ckpt.disable_ds": True}
        run = run_of(biased_judge(trial.start), data, trial.recipe, options, engines=1)
        assert run.train is not None
        train = run.train.model_copy(update={"save_steps": self.setting.every})
        return run.model_copy(update={"train": train})


def table(found: Mapping[Trial, Trained], setting: Setting) -> Iterator[Row]:
    """Each start and each step by itself, those included in which nothing was learnt."""
    starts, apart = set(), compared(found, setting)
    for trial, trained in found.items():
        for step, measured in trained.items():
            if step or trial.start not in starts:
                yield row(trial, step, measured) | {APART: apart.get((trial, step), "")}
        starts.add(trial.start)


def row(trial: Trial, step: int, measured: Measured) -> dict[str, Any]:
    """At T = 1, the mean of what was drawn."""
    made: dict[str, Any] = {
        "start": f"{trial.start}, pilot" if trial.pilot else str(trial.start),
        "schedule": trial.recipe.schedule,
        "rollouts": trial.recipe.rollouts,
        "learning rate": f"{trial.recipe.learning_rate:g}",
        "by": trial.by if step else "-",
        "step": step,
    }
    for name, draws in measured.items():
        for column in RATES:
            made[f"{column}, {name}"] = rate(draws, column)
    return made


def rate(draws: Sequence[Drawn], column: str) -> float:
    return fmean(getattr(draw.metrics, RATES[column]) for draw in draws)


def gains(rows: Sequence[Row], setting: Setting) -> dict[str, str]:
    """What labels add to tosses, start by start."""
    added, steps = {}, range(setting.every, setting.recipe.steps + 1, setting.every)
    for column, name, step in product(("consistent", "flips"), DRAWS, steps):
        by = [
            [row[f"{column}, {name}"] for row in rows if (row["by"], row["step"]) == (reward, step)]
            for reward in (LABELS, TOSSES)
        ]
        apart = [labels - tosses for labels, tosses in zip(*by, strict=True)]
        added[f"{column}, {name}, labels less tosses, step {step}"] = spread(apart)
    return added


def compared(found: Mapping[Trial, Trained], setting: Setting) -> dict[tuple[Trial, int], str]:
    """Pairs that only one of two judges got right in both orders, of one draw; after training."""
    last, apart = setting.recipe.steps, {}
    for labels, tosses in setting.paired:
        drawn = (found[trial][last][SAMPLED][0].consistent for trial in (labels, tosses))
        test = sign_test(*drawn)
        apart[labels, last] = f"{test.wins}:{test.losses}"
    return apart


def rejections(rows: Sequence[Row]) -> str:
    """What the test in `tests/stack` does with one start, on each of these and on a new one."""
    apart = [row[APART].split(":") for row in rows if row[APART]]
    tests = [exact(int(wins), int(losses)) for wins, losses in apart]
    each = "; ".join(map(str, tests))
    if len(tests) < 2:
        return each
    return f"{each}; chance that a new start fails: {chance_to_fail(tests):.1e}"


def chances(rows: Sequence[Row], setting: Setting) -> dict[str, str]:
    """The same after each number of steps, from rates: at least so far are the two apart.

    Pairs that both judges got right count for neither, and are not known from rates: with them
    left in, z is smaller than that of the test.
    """
    told, column = {}, f"consistent, {SAMPLED}"
    for step in range(setting.every, setting.recipe.steps + 1, setting.every):
        right = [
            [row[column] * setting.pairs for row in rows if (row["by"], row["step"]) == (by, step)]
            for by in (LABELS, TOSSES)
        ]
        values = [normal(wins, losses) for wins, losses in zip(*right, strict=True)]
        shown = ", ".join(f"{value:.1f}" for value in values)
        if len(values) > 1:
            shown += f"; chance that a new start fails: {predicted(values):.1e}"
        told[f"sign test as z, at least, step {step}"] = shown
    return told


def normal(wins: float, losses: float) -> float:
    """The sign test's normal form."""
    return float((wins - losses) / max(wins + losses, 1) ** 0.5)


def chance_to_fail(tests: Sequence[SignTest]) -> float:
    return predicted([normal(test.wins, test.losses) for test in tests])


def predicted(values: Sequence[float]) -> float:
    """The chance to fail, by Student's t predictive distribution of the next start's z."""
    from scipy.stats import norm, t

    scale = stdev(values) * (1 + 1 / len(values)) ** 0.5
    return float(t.cdf((norm.isf(ALPHA) - fmean(values)) / scale, len(values) - 1))


def described(seed: int) -> str:
    """A start by its name in the cache, the hash of its weights, and how it is biased."""
    start = biased_judge(seed)
    model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    odds = odds_of(model, AutoTokenizer.from_pretrained(start))
    return (
        f"{start.name} (weights {hash_of(start)}): log odds of A {odds.first:+.2f} where A is"
        f" right, {odds.second:+.2f} where B is; right thoughts in both orders {odds.thought:.2f}"
    )


def told(recipe: Recipe) -> str:
    return ", ".join(f"{name} {value}" for name, value in recipe._asdict().items())


class Recorded(NamedTuple):
    """Starts that were measured before."""

    rows: Sequence[Row] = ()
    told: Sequence[str] = ()
    """What is told of them."""


def recorded(out: Path, setting: Setting) -> Recorded:
    """What the results hold, which must be of this recipe and of other starts."""
    figures = json.loads((out / "openrlhf_learning.json").read_text(encoding="utf-8"))
    rows, facts = figures["rows"], figures["facts"]
    again = {row["start"] for row in rows} & set(map(str, setting.starts))
    if facts["recipe"] != told(setting.recipe) or again:
        sys.exit(f"these are of another recipe, or hold starts {sorted(again)} already: no --add")
    return Recorded(rows, (facts["starts"],))


def draw(rows: Sequence[Row], path: Path) -> None:
    """Right in both orders by step, a line for each start; needs matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(10, 4), layout="constrained")
    starts = [row for row in rows if row["by"] == "-"]
    for axes, name in zip(figure.subplots(1, 2), DRAWS, strict=True):
        for by, colour in ((LABELS, "#0072b2"), (TOSSES, "#d55e00")):
            for start in starts:
                steps = [row for row in rows if (row["start"], row["by"]) == (start["start"], by)]
                points = [(row["step"], row[f"consistent, {name}"]) for row in (start, *steps)]
                label = f"by {by}" if start is starts[0] else None
                axes.plot(*zip(*points, strict=True), "o-", color=colour, label=label)
        axes.set(title=name, xlabel="step", ylabel="consistent and right", ylim=(0, 1))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Train, measure, print, write."""
    torch.set_num_threads(1)
    options = parser((__doc__ or "").splitlines()[0])
    options.add_argument("--work", type=Path, default=WORK, help="folder for judges and judgments")
    options.add_argument("--starts", type=int, nargs="*", default=range(5), help="their seeds")
    options.add_argument("--add", action="store_true", help="to the starts recorded already")
    chosen = options.parse_args()
    setting = QUICK if chosen.quick else Setting(chosen.starts)
    os.environ.update({name: os.environ.get(name, value) for name, value in VLLM_ON_CPU.items()})
    found = Learning(chosen.work / ("quick" if chosen.quick else "full"), setting).run()
    known = recorded(chosen.out, setting) if chosen.add else Recorded()
    rows = [*known.rows, *table(found, setting)]
    record(
        "openrlhf_learning",
        "A judge learns in OpenRLHF, from several starts",
        rows,
        chosen.out,
        **gains(rows, setting),
        sign_test=rejections(rows),
        **chances(rows, setting),
        tested=TESTED_WHY,
        recipe=told(setting.recipe),
        chosen=CHOSEN,
        measured=f"{setting.pairs} pairs that no training shows; at T = 1, the mean of two draws",
        intervals="Student's t over starts",
        starts="; ".join([*known.told, *map(described, (*setting.pilots, *setting.starts))]),
    )
    draw(rows, chosen.out / "openrlhf_learning.svg")


if __name__ == "__main__":
    main()
