"""j1sdk trains language models to judge, and uses them as reward models.

Everything a user or plugin author needs by name is here, and is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING

from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk.component import Value
    from j1sdk.data import Source
    from j1sdk.data.jsonl import JsonLines
    from j1sdk.engines import Engine
    from j1sdk.engines.cached import Cached
    from j1sdk.engines.openai import OpenAI
    from j1sdk.engines.scripted import Scripted
    from j1sdk.engines.transformers import Transformers
    from j1sdk.engines.vllm import VLLM
    from j1sdk.errors import (
        ConfigError,
        DataError,
        EngineError,
        J1Error,
        JudgmentError,
        MissingExtraError,
        OutOfRange,
        PluginError,
        Unparseable,
        UnscoredError,
    )
    from j1sdk.evaluation.benchmarks import Benchmark
    from j1sdk.formats import JudgmentFormat, Reading, Turn
    from j1sdk.formats.pairwise_scores import PairwiseScores
    from j1sdk.formats.pairwise_verdict import PairwiseVerdict
    from j1sdk.formats.pairwise_verdict_scores import PairwiseVerdictScores
    from j1sdk.formats.pointwise import Pointwise
    from j1sdk.hookspecs import hookimpl
    from j1sdk.judge import JudgeRewardModel, RankedResponses
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
    from j1sdk.run import Run, Trainer, read_run
    from j1sdk.scaling import Scaling
    from j1sdk.scaling.mean import Mean
    from j1sdk.scaling.single import Single
    from j1sdk.scaling.vote import Vote
    from j1sdk.types import (
        Completion,
        Conversation,
        JudgeResult,
        Judgment,
        JudgmentStatus,
        JudgmentTask,
        Message,
        Presentation,
        Sampling,
        Scores,
        Usage,
        presentations,
    )

__all__ = [
    "VLLM",
    "Adaptive",
    "Benchmark",
    "Cached",
    "Completion",
    "ConfigError",
    "Conversation",
    "DataError",
    "Engine",
    "EngineError",
    "FormatAdherence",
    "J1Error",
    "JsonLines",
    "JudgeResult",
    "JudgeRewardModel",
    "Judgment",
    "JudgmentError",
    "JudgmentFormat",
    "JudgmentStatus",
    "JudgmentTask",
    "Knockout",
    "Mean",
    "Message",
    "MissingExtraError",
    "OpenAI",
    "OutOfRange",
    "PairwiseScores",
    "PairwiseVerdict",
    "PairwiseVerdictScores",
    "Pivot",
    "PluginError",
    "Pointwise",
    "Presentation",
    "RankedResponses",
    "Ranking",
    "Reading",
    "RewardStrategy",
    "RoundRobin",
    "Run",
    "Sampling",
    "Scaling",
    "ScoreOrdering",
    "Scores",
    "Scripted",
    "Single",
    "Source",
    "Trainer",
    "Transformers",
    "Turn",
    "Unparseable",
    "UnscoredError",
    "Usage",
    "Value",
    "VerdictConsistency",
    "VerdictCorrectness",
    "Vote",
    "hookimpl",
    "presentations",
    "read_run",
]

__getattr__ = lazy(__name__)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
