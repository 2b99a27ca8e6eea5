"""The reports that commands write, made of the blocks in `j1sdk.evaluation.report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from j1sdk.evaluation.metrics import RATES, Metrics, Rate
from j1sdk.evaluation.report import (
    Bars,
    Block,
    Curves,
    Histogram,
    Report,
    Table,
    TranscriptPair,
    Transcripts,
)
from j1sdk.types import JudgeResult

if TYPE_CHECKING:
    from j1sdk.arithmetic.quickstart import Quickstart
    from j1sdk.config import Run

Log = Sequence[Mapping[str, Any]]
GAINS = {"rewards/margins": "margin", "rewards/chosen": "chosen", "rewards/rejected": "rejected"}
LENGTHS = {"completions/mean_length": "mean", "completions/max_length": "longest"}


def training_report(run: Run, history: Log) -> Report:
    """What `j1 train` writes: everything that was logged, as curves."""
    trainers = ", ".join(part.name for part in run.train.parts) if run.train else "training"
    phases = dict.fromkeys(entry.get("phase", "") for entry in history)
    logs = {phase: [one for one in history if one.get("phase", "") == phase] for phase in phases}
    return Report(
        title=f"Training {trained(run)} ({trainers})",
        summary=f"Seed {run.seed}. The run file beside it says how it was made.",
        blocks=tuple(
            block.model_copy(update={"title": f"{phase}: {block.title}" if phase else block.title})
            for phase, log in logs.items() for block in [*taken(log), *training_blocks(log)]
        ),
    )  # fmt: skip


def trained(run: Run) -> str:
    """What a run trains, in words."""
    judge = f"a {run.judge.format.name} judge"
    return f"a policy by {judge}" if run.train and run.train.leaves == "policy" else judge


def taken(history: Log) -> list[Block]:
    """What was taken from the data and left out, where that was logged."""
    rows = [(key.removeprefix("data/"), count) for entry in history
            for key, count in entry.items() if key.startswith("data/")]  # fmt: skip
    title = "What was learnt from"
    return [Table(title=title, header=("", "count"), rows=tuple(rows))] if rows else []


def training_blocks(history: Log) -> list[Block]:
    """Curves of a log: rewards by term, rates, lengths, loss; those that were logged."""
    terms = sorted({key for entry in history for key in entry if _is_term(key)})
    charts = [
        curves("Reward", "mean reward", history,
               {"reward": "weighted sum"} | {key: _term(key) for key in terms}),
        *(rates(history, title) for title in ("", *_titles(history))),
        curves("Responses without a score", "share", history, {"j1/unscored": "unscored"}),
        curves("Preferences", "share", history, {"rewards/accuracies": "chosen gained more"}),
        curves("What preferences gained", "implicit reward", history, GAINS),
        curves("Completion length", "tokens", history, LENGTHS),
        curves("Loss", "loss", history, {"loss": "loss"}),
        curves("Entropy", "nats per token", history, {"entropy": "entropy"}),
    ]  # fmt: skip
    return [chart for chart in charts if chart.series]


def rates(history: Log, title: str) -> Curves:
    """How the rollouts of a format were judged; the judge's own format has no title."""
    behind, place = (f" ({title})", f"{title}/") if title else ("", "")
    names = {f"judge/{place}{key}": label for key, label in RATES.items()}
    return curves(f"How rollouts were judged{behind}", "share", history, names)


def _titles(history: Log) -> list[str]:
    """The formats that were trained beside the judge's own."""
    told = {tuple(key.split("/")) for entry in history for key in entry}
    return sorted(key[1] for key in told if (key[0], key[2:]) == ("judge", ("accuracy",)))


def _is_term(key: str) -> bool:
    return key.startswith("rewards/") and key.endswith("/mean")


def _term(key: str) -> str:
    """The reward, behind the format that it grades where there are several."""
    return key.removeprefix("rewards/").removesuffix("/mean")


def curves(title: str, y: str, history: Log, names: Mapping[str, str]) -> Curves:
    """One line per logged quantity."""
    series = {label: points(history, key) for key, label in names.items()}
    known = {label: line for label, line in series.items() if line}
    return Curves(title=title, x="step", y=y, series=known)


def points(history: Log, key: str) -> list[tuple[float, float]]:
    """(step, value) wherever a log has the quantity."""
    return [(entry["step"], entry[key]) for entry in history if key in entry]


def quickstart_report(journey: Quickstart, metrics: Mapping[str, Any]) -> Report:
    """What `j1 quickstart` writes."""
    judge = {name: Metrics.model_validate(found) for name, found in metrics["judge"].items()}
    judging, before, after = (
        journey.log("judge_training"),
        journey.transcripts("judge_before"),
        journey.transcripts("judge_after"),
    )
    blocks: list[Block] = [
        judge_bars("The judge, before and after (greedy)", judge["before"], judge["after"]),
        judge_bars(
            "The judge, before and after (sampled)", judge["before_sampled"], judge["after_sampled"]
        ),
        verdicts(judge),
        *training_blocks(judging)[:2],
        policy_bars(metrics["policy"]),
        policy_curves(journey),
        transcripts("The same pair in both orders, before training", before),
        transcripts("The same pairs, after training", after),
        provenance(metrics),
    ]
    return Report(
        title="Quickstart: a judge learns to be fair", summary=SUMMARY, blocks=tuple(blocks)
    )


SUMMARY = (
    "A tiny judge was taught to check sums, and taught with them to prefer whatever is shown"
    " first. Reinforcement learning with a verifiable reward, both orders of a pair in every"
    " batch, then made it judge alike in both orders. That judge was the only reward of a tiny"
    " policy that forgets to carry; no gold label was used. All pairs and prompts measured here"
    " have operands that no training has shown. Bars carry 95% intervals."
)


def judge_bars(title: str, before: Metrics, after: Metrics) -> Bars:
    """Every rate, before beside after."""
    groups = {
        label: {"before": before.rate(key), "after": after.rate(key)}
        for key, label in RATES.items()
    }
    return Bars(title=title, y=f"share (n = {after.n} pairs)", groups=groups)


def verdicts(judge: Mapping[str, Metrics]) -> Histogram:
    """How often the first and the second response shown won."""
    series = {name: shares(judge[name]) for name in ("before", "after")}
    return Histogram(
        title="Which response wins, by its position", x="verdict", series=series,
        note="Each pair is shown in both orders, so a judge without position bias names the"
        " first and the second response equally often.",
    )  # fmt: skip


def shares(measured: Metrics) -> dict[str, int]:
    """Verdicts for the first and for the second response shown, and judgments without one."""
    right = {order: share * measured.n for order, share in measured.accuracy_by_order.items()}
    gold_first, gold_second = right["0,1"], right["1,0"]
    failed = sum(measured.statuses.values()) - measured.statuses["ok"]
    first = gold_first + (measured.n - gold_second)
    total = sum(measured.statuses.values())
    return {"first response": round(first), "second response": round(total - first - failed),
            "no verdict": failed}  # fmt: skip


def policy_bars(policy: Mapping[str, Mapping[str, Any]]) -> Bars:
    """Exact match of every policy, greedy and sampled."""
    groups = {
        POLICIES[name]: {"greedy": rate(found, "exact_match"), "sampled": rate(found, SAMPLED)}
        for name, found in policy.items()
    }
    size = policy["before"]["n"]
    return Bars(
        title="The policy, by the reward it had", y=f"exact match (n = {size})", groups=groups
    )


SAMPLED = "exact_match_sampled"
POLICIES = {
    "before": "before",
    "after": "trained judge",
    "control_untrained_judge": "control: untrained judge",
    "control_random": "control: random reward",
}
"""What the quickstart's policies are called, by their names in its metrics."""


def rate(found: Mapping[str, Any], key: str) -> Rate:
    """A rate as the quickstart records it."""
    low, high = found[f"{key}_interval"]
    return Rate(value=found[key], low=low, high=high)


def policy_curves(journey: Quickstart) -> Curves:
    """The reward each policy saw while it was trained."""
    arms = {"trained_judge": "trained judge", "untrained_judge": "untrained judge",
            "random": "random"}  # fmt: skip
    series = {label: points(journey.log(arm), "reward_std") for arm, label in arms.items()}
    return Curves(
        title="How far a reward tells the policy's answers apart", x="step",
        y="deviation within a group", series=series,
        note="Rewards that rank a group sum to the same in every step, so their mean says nothing;"
        " a judge that finds no difference teaches nothing.",
    )  # fmt: skip


def transcripts(title: str, results: Sequence[JudgeResult]) -> Transcripts:
    """Judgments side by side, word for word."""
    pairs = [
        TranscriptPair.from_result(result, f"Which is {result.task.prompt[0].content}?")
        for result in results
    ]
    return Transcripts(title=title, pairs=tuple(pairs))


def provenance(metrics: Mapping[str, Any]) -> Table:
    """Seconds per stage, sizes, seed and versions."""
    rows = [("seed", metrics["seed"])]
    rows += [(f"seconds: {stage}", seconds) for stage, seconds in metrics["seconds"].items()]
    rows += [(f"size: {name}", size) for name, size in metrics["sizes"].items()]
    rows += [(f"version: {package}", version) for package, version in metrics["versions"].items()]
    return Table(title="How this was made", header=("", "value"), rows=tuple(rows))
