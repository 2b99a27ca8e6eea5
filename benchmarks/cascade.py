"""Two speeds: does a cascade decide as thinking does, and with how many of its tokens?

    python benchmarks/cascade.py            # half an hour for each start
    python benchmarks/cascade.py --quick    # a minute or two; nothing is learnt

On the quickstart's world, for judges from several starts, each made from its first weights on. The
judge thinks about pairs; `distill` teaches its fast reading what it came to; a threshold is fitted
on other pairs; and all is measured on pairs whose operands no training has shown. Beside it stand
the fast reading before it was distilled, thinking about pairs drawn by lot instead of unsure ones,
and thinking in one order only.

What is there is not made again, so an interrupted run goes on. Remove .cache/cascade to start anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from j1sdk_quickstart.models import passages
from j1sdk_quickstart.quickstart import Quickstart, Sizes
from j1sdk_quickstart.tasks import Arithmetic
from j1sdk_scale import Cascade, Distill, Pair, calibrate_to_folder
from j1sdk_scale.calibration import both_speeds, pair_of
from recording import parser, record, spread
from scipy.stats import beta
from tokenizers import AddedToken

from j1sdk import JudgeRewardModel, JudgmentTask, PairwiseVerdict, Transformers
from j1sdk.cli.console import progress_bars, quiet_libraries
from j1sdk.engines.transformers import load_model
from j1sdk.evaluation.calibration import calibration_of, chance_of_gold
from j1sdk.evaluation.metrics import measure
from j1sdk.judging import Shown, judge_shown
from j1sdk.run import Run
from j1sdk.scaling.single import Single
from j1sdk.types import JudgeResult

WORK = Path(__file__).parents[1] / ".cache" / "cascade"
FAST = PairwiseVerdict(thinking="none")
Begin = Callable[[str], Callable[[int, int], None]]


class Setting(NamedTuple):
    """How much of everything."""

    starts: int = 3
    taught: int = 6000
    """Pairs that the judge thinks about for its fast reading to learn from."""
    steps: int = 7000
    """Of distilling."""
    fitted: int = 1500
    measured: int = 1500
    risk: float = 0.01
    sizes: Sizes = Sizes()


QUICK = Setting(1, steps=0, fitted=60, measured=40, risk=0.05, sizes=Sizes.small())


class Start:
    """One judge, from its first weights on."""

    def __init__(self, home: Path, seed: int, setting: Setting, begin: Begin) -> None:
        self.home, self.seed, self.setting, self._begin = home, seed, setting, begin

    def rows(self) -> list[dict[str, Any]]:
        """What is measured of it, a row for each way to judge."""
        before = self.thinker()
        after = self.distilled(before)
        fitted = calibrate_to_folder(
            after, self.pairs(4, self.setting.fitted), self.home / "fitted", self._begin
        )
        cascade = Cascade(risk=self.setting.risk, sure=fitted.sure or 1.0, prefill="answer")
        return list(map(self.named, self.measured(before, after, cascade)))

    def named(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"start": self.seed, **row}

    def measured(
        self, before: JudgeRewardModel, after: JudgeRewardModel, cascade: Cascade
    ) -> list[dict[str, Any]]:
        tasks = self.pairs(5, self.setting.measured)
        fast_before, thought_before = both_speeds(before, tasks, self.home / "before", self._begin)
        fast, thought = map(list, both_speeds(after, tasks, self.home / "after", self._begin))
        sure = cascade.sure or 1.0
        pairs = [pair_of(*both) for both in zip(fast, thought, strict=True)]
        stands = [pair.certainty >= sure for pair in pairs]
        one_order = [first_order(result) for result in thought]
        check(after.replace(scaling=cascade), decided(fast, thought, stands)[:200])
        return [
            way("thinking, before distilling", list(thought_before), thought),
            way("fast, before distilling", list(fast_before), thought),
            way("thinking", thought, thought),
            way("fast, distilled", fast, thought),
            way("cascade", decided(fast, thought, stands), thought, pairs, stands)
            | {"sure": f"{sure:g}"},
            way("control: pairs by lot", *by_lot(fast, thought, pairs, stands, self.seed)),
            way("control: one order", one_order, thought),
        ]

    def pairs(self, number: int, count: int) -> list[JudgmentTask]:
        """Pairs of sums; those that are measured, with operands that no training has shown."""
        held_out = number > 3
        return Arithmetic(seed=self.seed * 100 + number, limit=count, held_out=held_out).load()

    def thinker(self) -> JudgeRewardModel:
        """The quickstart's trained judge, whose tokenizer knows the fast prompt as well."""
        quick = Quickstart(self.home / "quickstart", self.seed, self.setting.sizes)
        quick.claim(resume=True)
        needed = ("base", "fair_judge", "warm_start", "judge_training")
        quick.run_stages([one for one in quick.stages if one[0] in needed], self._begin)
        judge = JudgeRewardModel.load(quick.out / "judge")
        return self.cascading(judge, self.with_fast_prompt(judge))

    def with_fast_prompt(self, judge: JudgeRewardModel) -> Path:
        """Weights with a token for each constant passage of the fast prompt, as others have."""
        folder = self.home / "model"
        if not (folder / "config.json").exists():
            assert isinstance(judge.engine, Transformers)
            model, tokenizer = load_model(judge.engine)
            new = set(passages(FAST)) - set(tokenizer.get_vocab())
            tokenizer.add_tokens([AddedToken(one, normalized=False) for one in sorted(new)])
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
            tokenizer.save_pretrained(folder)
            model.save_pretrained(folder)
        return folder

    def cascading(self, judge: JudgeRewardModel, model: Path) -> JudgeRewardModel:
        engine = Transformers(model=str(model), dtype="float32", device="cpu", batch_size=256)
        cascade = Cascade(risk=self.setting.risk, sure=1.0, prefill="answer")
        return judge.replace(engine=engine, scaling=cascade)

    def distilled(self, judge: JudgeRewardModel) -> JudgeRewardModel:
        """The judge once its fast reading has learnt what thinking came to."""
        if not self.setting.steps:  # a judge that learnt nothing has no thought to learn from
            return judge
        source = Arithmetic(seed=self.seed * 100 + 3, limit=self.setting.taught, held_out=False)
        out, thoughts = self.home / "distilled", self.home / "thoughts"
        if not (out / "judge" / "j1.toml").exists():
            thinker = judge.replace(scaling=Single())
            shown = Shown(source.load(), thinker.presentations)
            judge_shown(thinker, shown, thoughts, self._begin("Thinking"))
            trainer = Distill(
                path=thoughts,
                steps=self.setting.steps,
                batch_size=64,
                learning_rate=2e-3,
                keep=0.5,
                report_to=(),
                options={"warmup_steps": 50, "lr_scheduler_type": "cosine"},
            )
            run = Run(judge=judge, data=source, train=trainer, seed=self.seed)
            trainer.train(run, out, resume=True, progress=self._begin("Distilling"))
        return self.cascading(judge, out / "judge")


def check(judge: JudgeRewardModel, expected: Sequence[JudgeResult]) -> None:
    """The cascade as users run it decides what was worked out from both speeds."""
    results = judge.judge([one.task for one in expected])
    both = zip(results, expected, strict=True)
    if differ := sum(one.preferred != two.preferred for one, two in both):
        raise RuntimeError(f"the cascade decided {differ} of {len(expected)} pairs otherwise")


def decided(
    fast: Sequence[JudgeResult], thought: Sequence[JudgeResult], stands: Sequence[bool]
) -> list[JudgeResult]:
    """What a cascade decides: by the fast reading where that stands."""
    return [one if quick else two for one, two, quick in zip(fast, thought, stands, strict=True)]


def by_lot(
    fast: Sequence[JudgeResult],
    thought: Sequence[JudgeResult],
    pairs: Sequence[Pair],
    stands: Sequence[bool],
    seed: int,
) -> tuple[list[JudgeResult], Sequence[JudgeResult], Sequence[Pair], list[bool]]:
    """As many pairs thought about, but drawn by lot."""
    drawn = random.Random(seed).sample(stands, len(stands))
    return decided(fast, thought, drawn), thought, pairs, drawn


def first_order(result: JudgeResult) -> JudgeResult:
    """What the first order alone comes to."""
    judgment = result.judgments[0]
    return result.replace(judgments=(judgment,), scores=judgment.scores or (None, None))


def way(
    name: str,
    results: Sequence[JudgeResult],
    thought: Sequence[JudgeResult],
    pairs: Sequence[Pair] = (),
    stands: Sequence[bool] = (),
) -> dict[str, Any]:
    """A row: how one way to judge compares with thinking in both orders."""
    agree = sum(one.preferred == two.preferred for one, two in zip(results, thought, strict=True))
    n, metrics = len(results), measure(results)
    spent = fmean(one.usage.completion_tokens for one in results)
    if pairs:
        both = zip(pairs, stands, strict=True)
        spent = fmean(pair.fast + (0 if quick else pair.thought) for pair, quick in both)
    full = fmean(one.usage.completion_tokens for one in thought)
    chances = [chance for one in results if (chance := chance_of_gold(one)) is not None]
    calibration = calibration_of(chances) if len(chances) == n else None
    return {
        "judged by": name,
        "n": n,
        "decides as thinking": agree / n,
        "at least": float(beta.ppf(0.05, agree, n - agree + 1)) if agree else 0.0,
        "tokens": spent / full,
        "decided fast": fmean(stands) if stands else "",
        "sure": "",
        "accuracy": fmean(one.preferred == one.task.preferred for one in results),
        "consistent": metrics.position_consistent_accuracy,
        "calibration error": calibration.error.value if calibration else "",
    }


def over_starts(rows: Sequence[dict[str, Any]], column: str) -> dict[str, str]:
    """For each way to judge, the mean over starts with its 95% interval."""
    names = dict.fromkeys(row["judged by"] for row in rows)
    found = {name: [row[column] for row in rows if row["judged by"] == name] for name in names}
    return {f"{column}, {name}": spread(values) for name, values in found.items() if values}


def main() -> None:
    options = parser(__doc__).parse_args()
    setting = QUICK if options.quick else Setting()
    quiet_libraries()
    rows: list[dict[str, Any]] = []
    with progress_bars() as begin:
        for seed in range(setting.starts):
            home = WORK / ("quick" if options.quick else "whole") / str(seed)
            rows += Start(home, seed, setting, begin).rows()
    record(
        "cascade",
        "A cascade, a fast reading and thinking, on sums",
        rows,
        options.out,
        **over_starts(rows, "decides as thinking"),
        **over_starts(rows, "tokens"),
        starts=setting.starts,
        steps_of_distilling=f"{setting.steps}, chosen on start 0, for which 1500 were too few",
        risk=setting.risk,
        pairs_fitted_on=setting.fitted,
        at_least="one-sided 95% bound of the share decided as thinking in both orders decides",
        tokens="written, as a share of those of thinking in both orders",
    )


if __name__ == "__main__":
    main()
