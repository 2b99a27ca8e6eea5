"""j1sdk's own components: the first plugin. To add one, add a file and a line here."""

from __future__ import annotations

import click

from j1sdk.arithmetic.tasks import Arithmetic
from j1sdk.cli.compare import compare
from j1sdk.cli.data import data
from j1sdk.cli.evaluate import evaluate
from j1sdk.cli.judge import judge
from j1sdk.cli.openrlhf import openrlhf
from j1sdk.cli.plugins import plugins
from j1sdk.cli.quickstart import quickstart
from j1sdk.cli.scale import scale
from j1sdk.cli.serve import serve
from j1sdk.cli.train import train
from j1sdk.data import Source
from j1sdk.data.builders import Builder
from j1sdk.data.builders.followbench import FollowBenchPairs
from j1sdk.data.builders.noisy_instruction import NoisyInstruction
from j1sdk.data.builders.verified_solutions import VerifiedSolutions
from j1sdk.data.gsm8k import Gsm8kSolutions
from j1sdk.data.jsonl import JsonLines
from j1sdk.data.judgments import Judgments
from j1sdk.data.reflections import Reflections
from j1sdk.engines import Engine
from j1sdk.engines.cached import Cached
from j1sdk.engines.openai import OpenAI
from j1sdk.engines.scripted import Scripted
from j1sdk.engines.transformers import Transformers
from j1sdk.engines.vllm import VLLM
from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.benchmarks.eval_bias_bench import EvalBiasBench
from j1sdk.evaluation.benchmarks.followbench import FollowBench
from j1sdk.evaluation.benchmarks.hhh_alignment import HHHAlignment
from j1sdk.evaluation.benchmarks.judgebench import JudgeBench
from j1sdk.evaluation.benchmarks.llmbar import LLMBar
from j1sdk.evaluation.benchmarks.pairs import Pairs
from j1sdk.evaluation.benchmarks.ppe_correctness import PPEBestOfK, PPECorrectness
from j1sdk.evaluation.benchmarks.ppe_preference import PPEPreference
from j1sdk.evaluation.benchmarks.rewardbench import RewardBench
from j1sdk.evaluation.benchmarks.rewardbench2 import RewardBench2
from j1sdk.evaluation.benchmarks.rm_bench import RMBench
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.pairwise_scores import PairwiseScores
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.formats.pairwise_verdict_scores import PairwiseVerdictScores
from j1sdk.formats.pointwise import Pointwise
from j1sdk.hookspecs import hookimpl
from j1sdk.rankings import Ranking
from j1sdk.rankings.adaptive import Adaptive
from j1sdk.rankings.knockout import Knockout
from j1sdk.rankings.pivot import Pivot
from j1sdk.rankings.round_robin import RoundRobin
from j1sdk.rewards import RewardStrategy
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.rewards.score_ordering import ScoreOrdering
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.scaling import Scaling
from j1sdk.scaling.mean import Mean
from j1sdk.scaling.meta_judge import MetaJudge
from j1sdk.scaling.single import Single
from j1sdk.scaling.vote import Vote
from j1sdk.training import Trainer
from j1sdk.training.chain import Chain
from j1sdk.training.openrlhf.dpo import OpenRLHFDpo
from j1sdk.training.openrlhf.policy import OpenRLHFPolicy
from j1sdk.training.openrlhf.reward_model import OpenRLHFRewardModel
from j1sdk.training.openrlhf.sft import OpenRLHFSft
from j1sdk.training.openrlhf.trainer import OpenRLHF
from j1sdk.training.rejection import OnPolicyDpo, RejectionSft
from j1sdk.training.trl import Grpo, Sft
from j1sdk.training.trl_dpo import Dpo


@hookimpl
def formats() -> list[type[JudgmentFormat]]:
    return [PairwiseVerdict, PairwiseScores, PairwiseVerdictScores, Pointwise]


@hookimpl
def engines() -> list[type[Engine]]:
    return [Cached, OpenAI, Scripted, Transformers, VLLM]


@hookimpl
def rewards() -> list[type[RewardStrategy]]:
    return [VerdictCorrectness, VerdictConsistency, ScoreOrdering, FormatAdherence]


@hookimpl
def scalings() -> list[type[Scaling]]:
    return [Single, Vote, Mean, MetaJudge]


@hookimpl
def rankings() -> list[type[Ranking]]:
    return [RoundRobin, Pivot, Knockout, Adaptive]


@hookimpl
def sources() -> list[type[Source]]:
    return [JsonLines, Gsm8kSolutions, Arithmetic, Judgments, Reflections]


@hookimpl
def benchmarks() -> list[type[Benchmark]]:
    return [
        RewardBench, RewardBench2, JudgeBench, RMBench, PPEPreference, PPECorrectness, PPEBestOfK,
        LLMBar, FollowBench, EvalBiasBench, HHHAlignment, Pairs,
    ]  # fmt: skip


@hookimpl
def builders() -> list[type[Builder]]:
    return [NoisyInstruction, VerifiedSolutions, FollowBenchPairs]


@hookimpl
def trainers() -> list[type[Trainer]]:
    return [
        Sft, Dpo, Grpo, RejectionSft, OnPolicyDpo, Chain, OpenRLHF, OpenRLHFSft,
        OpenRLHFDpo, OpenRLHFRewardModel, OpenRLHFPolicy,
    ]  # fmt: skip


@hookimpl
def commands() -> list[click.Command]:
    return [compare, data, evaluate, judge, openrlhf, plugins, quickstart, scale, serve, train]
