"""The field's benchmarks of judges, each scored by its own published rules."""

from __future__ import annotations

from j1sdk import hookimpl


@hookimpl
def benchmarks() -> dict[str, str]:
    return {
        "eval-bias-bench": "j1sdk_benchmarks.eval_bias_bench:EvalBiasBench",
        "followbench": "j1sdk_benchmarks.followbench:FollowBench",
        "hhh-alignment": "j1sdk_benchmarks.hhh_alignment:HHHAlignment",
        "judgebench": "j1sdk_benchmarks.judgebench:JudgeBench",
        "llmbar": "j1sdk_benchmarks.llmbar:LLMBar",
        "plan-rewardbench": "j1sdk_benchmarks.plan_rewardbench:PlanRewardBench",
        "ppe-best-of-k": "j1sdk_benchmarks.ppe_correctness:PPEBestOfK",
        "ppe-correctness": "j1sdk_benchmarks.ppe_correctness:PPECorrectness",
        "ppe-preference": "j1sdk_benchmarks.ppe_preference:PPEPreference",
        "rewardbench": "j1sdk_benchmarks.rewardbench:RewardBench",
        "rewardbench-2": "j1sdk_benchmarks.rewardbench2:RewardBench2",
        "rm-bench": "j1sdk_benchmarks.rm_bench:RMBench",
        "rmb": "j1sdk_benchmarks.rmb:RMB",
    }
