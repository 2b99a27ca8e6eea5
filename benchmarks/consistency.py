"""What makes a judge consistent: more data, both orders of a pair, or a reward for consistency?

    python benchmarks/consistency.py            # hours; writes benchmarks/results/consistency.*
    python benchmarks/consistency.py --quick    # seconds; the same in small, nothing is learnt

The quickstart's judge, which prefers what it is shown first, is trained by GRPO in the ways that J1
compares (section 5, position bias). Each arm has as many rollouts in a step, in groups of as many;
so data in a single order have twice the pairs. Pairs come in random positions. In the control the
preferred response is drawn at random. All are measured, greedily, on sums no training has shown.

A seed makes everything anew: the starting judge, from its first weights on, the pairs, the rollouts
and the pairs that are measured. Arms are compared with each other start by start.

Judges, checkpoints and judgments stay in a folder that git ignores. What is there is not made
again, so an interrupted run goes on. Remove the folder to measure anew.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from j1sdk_quickstart.quickstart import Quickstart, Sizes
from j1sdk_quickstart.staged import Announce
from j1sdk_quickstart.tasks import Arithmetic
from pydantic import TypeAdapter
from recording import Row, half_width, hash_of, parser, record, spread

from j1sdk import JudgeResult, JudgeRewardModel, JudgmentTask, RewardStrategy, Transformers
from j1sdk.cli.console import progress_bars, quiet_libraries
from j1sdk.data.jsonl import JsonLines
from j1sdk.evaluation.metrics import BY_ORDER, Metrics, Rate, measure
from j1sdk.files import write_text
from j1sdk.report.charts import Curves
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run
from j1sdk.training.trl import Grpo

WORK = Path(__file__).parents[1] / ".cache" / "consistency"
LEARNING_RATE = 1e-4
"""A third of the quickstart's, with which any of this takes no more than ten steps."""
START = "starting judge"
RATES = {
    "right first": BY_ORDER + "0,1",
    "right second": BY_ORDER + "1,0",
    "consistent": "position_consistent_accuracy",
    "flips": "verdict_flip_rate",
}
"""Accuracy where the right answer is shown first, and second; the share right in both; flips."""
Measured = dict[int, list[JudgeResult]]
"""What a judge said after so many steps."""
JUDGED = TypeAdapter(Measured)


class Arm(NamedTuple):
    """A way to train."""

    reward: RewardStrategy = VerdictCorrectness()
    orders: Literal["both", "first"] = "both"
    labelled: bool = True


LADDER = {
    "single order": Arm(orders="first"),
    "both orders": Arm(),
    "consistency reward": Arm(VerdictConsistency()),
}
CONTROL = "control: shuffled labels"
ARMS = LADDER | {CONTROL: Arm(labelled=False)}
COMPARED = (*pairwise(LADDER), (CONTROL, "both orders"))
"""Each arm with the one it is to be better than: the rung below, and no labels."""


class Setting(NamedTuple):
    """How much of everything."""

    seeds: int = 5
    """Starting judges."""
    every: int = 5
    """Steps between checkpoints."""
    measured: tuple[int, ...] = (5, 10, 20, 40)
    """After these steps; training ends with the last."""
    prompts: int = 32
    """Per step: pairs in one order, or half as many in both."""
    held_out: int = 400
    sizes: Sizes = Sizes()


QUICK = Setting(1, every=1, measured=(1, 2), prompts=4, held_out=10, sizes=Sizes.small())


class Ladder:
    """The experiment, in one folder."""

    def __init__(self, work: Path, setting: Setting, announce: Announce) -> None:
        self.work, self.setting, self._announce = work, setting, announce

    def run(self) -> dict[str, dict[int, Measured]]:
        """By arm and seed, what is there already and what is not."""
        found: dict[str, dict[int, Measured]] = {name: {} for name in (START, *ARMS)}
        for seed in range(self.setting.seeds):
            start = JudgeRewardModel.load(self.start(seed))
            for name in found:
                found[name][seed] = self.measured(start, name, seed)
        return found

    def start(self, seed: int) -> Path:
        """The folder of a starting judge."""
        biased = Quickstart(self.work / "judges" / str(seed), seed, self.setting.sizes)
        return biased.biased_judge(self._announce, resume=True)

    def measured(self, start: JudgeRewardModel, name: str, seed: int) -> Measured:
        folder = self.work / name.replace(": ", " ").replace(" ", "-") / str(seed)
        kept = folder / "judged.json"
        if not kept.exists():
            judges = self.judges(start, name, seed, folder)
            tasks = Arithmetic(seed=100 + seed, limit=self.setting.held_out).load()
            judged = {step: judge.judge(tasks) for step, judge in judges}
            write_text(kept, JUDGED.dump_json(judged).decode())
        return JUDGED.validate_json(kept.read_bytes())

    def judges(
        self, start: JudgeRewardModel, name: str, seed: int, folder: Path
    ) -> Iterator[tuple[int, JudgeRewardModel]]:
        """The judge after so many steps of training."""
        if name == START:
            yield 0, start
            return
        run = self.training(start, ARMS[name], seed, folder)
        assert run.train is not None
        run.train.train(run, folder, resume=True, progress=self._announce(f"{name}, seed {seed}"))
        for step in self.setting.measured:
            known = start.engine.model_dump(exclude={"name"})  # a copy would have its weights, too
            known["model"] = str(folder / "checkpoints" / f"checkpoint-{step}")
            yield step, start.replace(engine=Transformers(**known))

    def training(self, start: JudgeRewardModel, arm: Arm, seed: int, folder: Path) -> Run:
        setting = self.setting
        pairs = setting.prompts // (1 if arm.orders == "first" else 2)
        steps = max(setting.measured)
        write_pairs(folder / "pairs.jsonl", pairs * steps, seed, arm.labelled)
        train = Grpo(
            steps=steps,
            tasks_per_step=pairs,
            rewards=(arm.reward,),
            learning_rate=LEARNING_RATE,
            save_steps=setting.every,
            logging_steps=setting.every,
            report_to=(),
            options={
                "lr_scheduler_type": "constant_with_warmup",
                "warmup_steps": 5,
                "save_total_limit": None,
            },
        )
        return Run(
            judge=start.replace(orders=arm.orders),
            data=JsonLines(path=folder / "pairs.jsonl"),
            train=train,
            seed=seed,
        )


def write_pairs(path: Path, count: int, seed: int, labelled: bool) -> None:
    """Right and wrong answers in random positions, and which of them is preferred."""
    generator = random.Random(seed)
    tasks = Arithmetic(seed=1000 + seed, limit=count, held_out=False).load()
    write_text(path, "".join(f"{placed(task, generator, labelled)}\n" for task in tasks))


def placed(task: JudgmentTask, generator: random.Random, labelled: bool) -> str:
    """A line of the data; without labels the preferred response is a toss."""
    right, toss = generator.randrange(2), generator.randrange(2)
    responses = task.responses if right == 0 else task.responses[::-1]
    preferred = right if labelled else toss
    asked = task.prompt[0].content
    line = {"prompt": asked, "responses": responses, "preferred": preferred, "id": task.id}
    return json.dumps(line)


def table(found: Mapping[str, Mapping[int, Measured]]) -> Iterator[Row]:
    """All starts together at every step, and each by itself at the last."""
    for name, seeds in found.items():
        steps = next(iter(seeds.values()))
        for step in steps:
            yield row(name, step, "all", seeds)
        for seed, measured in seeds.items():
            yield row(name, max(steps), str(seed), {seed: measured})


def row(name: str, step: int, seed: str, measured: Mapping[int, Measured]) -> Row:
    """Each rate, and its 95% interval."""
    metrics = pooled(measured, step)
    made: dict[str, Any] = {"arm": name, "step": step, "seed": seed, "pairs": metrics.n}
    for column, key in RATES.items():
        if found := rate(measured, step, key):
            made |= {column: found.value, f"{column}, 95%": f"{found.low:.3f} to {found.high:.3f}"}
    return made | {"invalid": metrics.invalid_rate}


def pooled(measured: Mapping[int, Measured], step: int) -> Metrics:
    return measure([one for seed in measured.values() for one in seed[step]])


def rate(measured: Mapping[int, Measured], step: int, key: str) -> Rate | None:
    """Over all starts, with the interval of their mean, or of all their pairs where it is wider.

    Pairs judged by one judge are alike, so that those of several are not independent of each other.
    """
    over_pairs, each = pooled(measured, step).rate(key), by_seed(measured, step, key)
    if over_pairs is None or len(each) < 2:
        return over_pairs
    value, half = over_pairs.value, half_width(each)
    low, high = min(over_pairs.low, value - half), max(over_pairs.high, value + half)
    return Rate(value=value, low=max(low, 0.0), high=min(high, 1.0))


def climbs(found: Mapping[str, Mapping[int, Measured]], steps: Sequence[int]) -> dict[str, str]:
    """What each arm adds to the one it is compared with, start by start."""
    said = {}
    for (lower, higher), column, step in product(COMPARED, ("consistent", "flips"), steps):
        below, above = (by_seed(found[name], step, RATES[column]) for name in (lower, higher))
        said[f"{column}, {higher} less {lower}, step {step}"] = spread(
            [b - a for a, b in zip(below, above, strict=True)]
        )
    return said


def by_seed(measured: Mapping[int, Measured], step: int, key: str) -> list[float]:
    rates = (measure(seed[step]).rate(key) for seed in measured.values())
    return [rate.value for rate in rates if rate]


def draw(found: Mapping[str, Mapping[int, Measured]], path: Path) -> None:
    """Right in both orders and flips, by step; needs matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, column in zip(figure.subplots(1, 2), ("consistent", "flips"), strict=True):
        start = curve(found[START], RATES[column])
        series = {name: start + curve(found[name], RATES[column]) for name in ARMS}
        Curves(title=column, x="step", y=column, series=series).draw(axes)
        axes.set_ylim(0, 1)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    figure.savefig(path, metadata={"Date": None})


def curve(measured: Mapping[int, Measured], key: str) -> list[tuple[float, float | Rate]]:
    """A rate by step, where it is known."""
    steps = next(iter(measured.values()))
    return [(step, found) for step in steps if (found := rate(measured, step, key))]


def main() -> None:
    """Train, measure, print, write."""
    torch.set_num_threads(1)  # as `j1 quickstart` has it
    options = parser((__doc__ or "").splitlines()[0])
    options.add_argument("--work", type=Path, default=WORK, help="folder for judges and judgments")
    chosen = options.parse_args()
    setting = QUICK if chosen.quick else Setting()
    quiet_libraries()
    work = chosen.work / ("quick" if chosen.quick else "full")
    with progress_bars() as announce:
        ladder = Ladder(work, setting, announce)
        found = ladder.run()
    record(
        "consistency",
        "What makes a judge consistent",
        list(table(found)),
        chosen.out,
        **climbs(found, setting.measured),
        rollouts=f"{8 * setting.prompts} in each step of each arm, in groups of 8",
        learning_rate=LEARNING_RATE,
        seeds="the starting judge, data, rollouts and held-out pairs are each seed's own",
        starts=", ".join(f"{seed}: {hash_of(ladder.start(seed))}" for seed in found[START]),
        intervals="Student's t over starts; of a rate Wilson's over pairs where that is wider, and"
        " where there is one start",
    )
    draw(found, chosen.out / "consistency.svg")


if __name__ == "__main__":
    main()
