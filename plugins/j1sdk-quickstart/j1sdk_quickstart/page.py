"""The report that `j1 quickstart` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from j1sdk import JudgeResult
from j1sdk.evaluation import RATES, Metrics, Rate
from j1sdk.report import Bars, Block, Curves, Histogram, Report, Table, TranscriptPair, Transcripts
from j1sdk.report.training import points, training_blocks
from j1sdk_quickstart.quickstart import Quickstart


def quickstart_report(journey: Quickstart, metrics: Mapping[str, Any]) -> Report:
    """What `j1 quickstart` writes."""
    judge = {name: Metrics.model_validate(found) for name, found in metrics["judge"].items()}
    evaluated = {name: journey.result(f"judge_{name}") for name in ("before", "after")}
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
        verdicts({name: found["verdicts"] for name, found in evaluated.items()}),
        *training_blocks(judging)[:2],
        policy_bars(metrics["policy"]),
        policy_curves(journey),
        transcripts("The same pair in both orders, before training", before, ASKED),
        transcripts("The same pairs, after training", after, ASKED),
        provenance(metrics),
    ]
    return Report(
        title="Quickstart: a judge learns to be fair", summary=SUMMARY, blocks=tuple(blocks)
    )


SUMMARY = (
    "A tiny judge was taught to check sums, and then to prefer whatever is shown first."
    " Reinforcement learning with a verifiable reward, both orders of a pair in every"
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


def verdicts(series: Mapping[str, Mapping[str, int]]) -> Histogram:
    """How often the first and the second response shown won, by each judge."""
    return Histogram(
        title="Which response wins, by its position",
        x="verdict",
        series=series,
        note="Each pair is shown in both orders, so a judge without position bias names the"
        " first and the second response equally often.",
    )


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
    arms = {
        "trained_judge": "trained judge",
        "untrained_judge": "untrained judge",
        "random": "random",
    }
    series = {label: points(journey.log(arm), "reward_std") for arm, label in arms.items()}
    return Curves(
        title="How far a reward tells the policy's answers apart",
        x="step",
        y="deviation within a group",
        series=series,
        note="Rewards that rank a group sum to the same in every step, so their mean says nothing;"
        " a judge that finds no difference teaches nothing.",
    )


ASKED = "Which is {}?"
"""What a pair of sums asks, from its prompt."""


def transcripts(title: str, results: Sequence[JudgeResult], asked: str = "{}") -> Transcripts:
    """Judgments side by side, word for word; `asked` is a pair's heading around its prompt."""
    pairs = [
        TranscriptPair.from_result(result, asked.format(result.task.prompt[0].content))
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
