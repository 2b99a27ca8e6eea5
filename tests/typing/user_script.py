"""What a user writes, for type checkers without pydantic's plugin: never run."""

from pathlib import Path

from j1sdk_family.judgments import Judgments
from j1sdk_openrlhf import Cluster, OpenRLHF, OpenRLHFPolicy
from j1sdk_spct import MetaJudge

from j1sdk import (
    VLLM,
    Adaptive,
    Cached,
    ConfigError,
    FormatAdherence,
    J1Error,
    JsonLines,
    JudgeRewardModel,
    JudgmentTask,
    Knockout,
    Mean,
    Message,
    OpenAI,
    PairwiseScores,
    PairwiseVerdict,
    PairwiseVerdictScores,
    Pivot,
    Pointwise,
    RankedResponses,
    RoundRobin,
    Run,
    Sampling,
    ScoreOrdering,
    Scripted,
    Single,
    Trainer,
    Transformers,
    VerdictConsistency,
    VerdictCorrectness,
    Vote,
)
from j1sdk.evaluation import Metrics, Pairs, measure
from j1sdk.report import Bars, Report, write_report
from j1sdk.server import Serve, served
from j1sdk.training import Chain, Dpo, Grpo, Lora, Sft

formats = [
    PairwiseVerdict(thinking="plan"),
    PairwiseScores(high=5),
    PairwiseVerdictScores(lenient=True),
    Pointwise(low=1, high=5),
]
engines = [
    Transformers(model="Qwen/Qwen3-0.6B", batch_size=8, dtype="bfloat16"),
    VLLM(model="Qwen/Qwen3-0.6B", tensor_parallel_size=2),
    OpenAI(model="judge", base_url="http://localhost:8000/v1"),
    Cached(engine=Scripted(answers=("[[A]]",)), path=Path("cache.sqlite")),
]
rankings = [RoundRobin(), Adaptive(), Knockout(), Pivot()]
scalings = [Single(), Vote(n=4), Mean(n=2), MetaJudge(format=Pointwise(), n=4, keep=2)]
judge = JudgeRewardModel(
    format=formats[0], engine=engines[0], ranking=rankings[1], scaling=scalings[1],
    sampling=Sampling(temperature=0.7, max_new_tokens=512, stop=("###",)),
)  # fmt: skip
task = JudgmentTask(prompt="2+2?", responses=["4", "5"], preferred=0)
chat = JudgmentTask(prompt=(Message(role="user", content="2+2?"),), responses=("4", "5"))
metrics: Metrics = measure(judge.judge([task, chat]))
scores: list[float | None] = judge.score(["2+2?"], ["4"], references=["5"])
ranked: RankedResponses = judge.rank("2+2?", ["4", "5", "6"])
phases: tuple[Trainer, ...] = (
    Sft(learning_rate=1e-5, lora=Lora(rank=8)),
    Dpo(beta=0.2),
    Grpo(rewards=(VerdictCorrectness(), FormatAdherence(weight=0.1)), tasks_per_step=8),
    OpenRLHF(rewards=(VerdictConsistency(pairing="all"),), cluster=Cluster(gpus_per_node=4)),
    OpenRLHFPolicy(policy="Qwen/Qwen3-0.6B", prompts=Path("prompts.jsonl")),
)
tasks = JsonLines(path=Path("pairs.jsonl"), limit=100)
run = Run(judge=judge, data=tasks, train=Chain(phases=phases))
sources = [JsonLines(path=Path("gsm8k.jsonl")), Judgments(path=Path("judged"), data=tasks)]
pointwise = judge.replace(format=Pointwise())
Grpo(rewards=(ScoreOrdering(),)).check(run.replace(judge=pointwise))
try:
    with served(judge, Serve(port=0, unscored="neutral")) as server:
        print(server.url, Pairs(path=Path("records.jsonl")), metrics, scores, ranked.order)
except ConfigError as error:
    print(isinstance(error, J1Error))
write_report(Report(title="t", summary="s", blocks=(Bars(title="t", y="y", groups={}),)), Path("r"))
