"""j1sdk's own components: a plugin like any other, which imports nothing until it is asked.

To add a component, add a file and a line here.
"""

from __future__ import annotations

from j1sdk.hookspecs import hookimpl


@hookimpl
def formats() -> dict[str, str]:
    return {
        "pairwise-verdict": "j1sdk.formats.pairwise_verdict:PairwiseVerdict",
        "pairwise-scores": "j1sdk.formats.pairwise_scores:PairwiseScores",
        "pairwise-verdict-scores": "j1sdk.formats.pairwise_verdict_scores:PairwiseVerdictScores",
        "pointwise": "j1sdk.formats.pointwise:Pointwise",
    }


@hookimpl
def engines() -> dict[str, str]:
    return {
        "cached": "j1sdk.engines.cached:Cached",
        "openai": "j1sdk.engines.openai:OpenAI",
        "scripted": "j1sdk.engines.scripted:Scripted",
        "transformers": "j1sdk.engines.transformers:Transformers",
        "vllm": "j1sdk.engines.vllm:VLLM",
    }


@hookimpl
def rewards() -> dict[str, str]:
    return {
        "verdict-correctness": "j1sdk.rewards.verdict_correctness:VerdictCorrectness",
        "verdict-consistency": "j1sdk.rewards.verdict_consistency:VerdictConsistency",
        "score-ordering": "j1sdk.rewards.score_ordering:ScoreOrdering",
        "format-adherence": "j1sdk.rewards.format_adherence:FormatAdherence",
    }


@hookimpl
def scalings() -> dict[str, str]:
    return {
        "single": "j1sdk.scaling.single:Single",
        "vote": "j1sdk.scaling.vote:Vote",
        "mean": "j1sdk.scaling.mean:Mean",
    }


@hookimpl
def rankings() -> dict[str, str]:
    return {
        "round-robin": "j1sdk.rankings.round_robin:RoundRobin",
        "pivot": "j1sdk.rankings.pivot:Pivot",
        "knockout": "j1sdk.rankings.knockout:Knockout",
        "adaptive": "j1sdk.rankings.adaptive:Adaptive",
    }


@hookimpl
def sources() -> dict[str, str]:
    return {
        "jsonl": "j1sdk.data.jsonl:JsonLines",
    }


@hookimpl
def benchmarks() -> dict[str, str]:
    return {"pairs": "j1sdk.evaluation.benchmarks.pairs:Pairs"}


@hookimpl
def trainers() -> dict[str, str]:
    return {
        "sft": "j1sdk.training.trl:Sft",
        "dpo": "j1sdk.training.trl_dpo:Dpo",
        "grpo": "j1sdk.training.trl:Grpo",
        "chain": "j1sdk.training.chain:Chain",
    }


@hookimpl
def adapters() -> dict[str, str]:
    return {
        "areal": "j1sdk.adapters.areal:AReaL",
        "inspect-ai": "j1sdk.adapters.inspect_ai:InspectAI",
        "llamafactory": "j1sdk.adapters.llamafactory:LlamaFactory",
        "lighteval": "j1sdk.adapters.lighteval:Lighteval",
        "ms-swift": "j1sdk.adapters.ms_swift:MsSwift",
        "nemo-gym": "j1sdk.adapters.nemo_gym:NeMoGym",
        "openrlhf": "j1sdk.adapters.openrlhf:OpenRLHF",
        "skyrl": "j1sdk.adapters.skyrl:SkyRL",
        "slime": "j1sdk.adapters.slime:Slime",
        "trl": "j1sdk.adapters.trl:TRL",
        "verl": "j1sdk.adapters.verl:Verl",
    }


@hookimpl
def dialects() -> dict[str, str]:
    return {
        "openrlhf": "j1sdk.adapters.openrlhf:Route",
        "slime": "j1sdk.adapters.slime:Route",
        "llamafactory": "j1sdk.adapters.llamafactory:Route",
        "classify": "j1sdk.adapters.classify:Route",
        "nemo-gym": "j1sdk.adapters.nemo_gym:Route",
    }


@hookimpl
def commands() -> dict[str, tuple[str, str]]:
    return {
        "compare": (
            "j1sdk.cli.compare:compare",
            "Compare the runs in FOLDERS, which `j1 eval --benchmark ... --out` wrote.",
        ),
        "connect": (
            "j1sdk.cli.connect:connect",
            "Make the judge of RUN_FILE, or the one served at --url, the reward of FRAMEWORK.",
        ),
        "describe": (
            "j1sdk.cli.describe:describe",
            "Show the kinds of components, the names of a KIND, or the options of a NAME.",
        ),
        "eval": (
            "j1sdk.cli.evaluate:evaluate",
            "Measure JUDGE (a saved judge's folder, or a run file) on tasks with gold labels.",
        ),
        "export": (
            "j1sdk.cli.export:export",
            "Write the training of RUN_FILE's judge for a framework that has a command of its own.",
        ),
        "judge": (
            "j1sdk.cli.judge:judge",
            "Judge every task of --data with the judge of RUN_FILE (or a saved judge's folder).",
        ),
        "plugins": (
            "j1sdk.cli.plugins:plugins",
            "List plugins with their version, status and what each offers, the broken ones too.",
        ),
        "schema": (
            "j1sdk.cli.describe:schema",
            "Write the JSON schema of run files, which editors complete and check them by.",
        ),
        "serve": (
            "j1sdk.cli.serve:serve",
            "Serve the judge of RUN_FILE (or of a saved judge's folder) to RLHF trainers.",
        ),
        "train": (
            "j1sdk.cli.train:train",
            "Train the judge that RUN_FILE describes, by its [data] and [train] sections.",
        ),
    }


IN_PLUGINS: dict[str, dict[str, tuple[str, ...]]] = {
    "j1sdk-benchmarks": {
        "benchmarks": (
            "eval-bias-bench",
            "followbench",
            "hhh-alignment",
            "judgebench",
            "llmbar",
            "plan-rewardbench",
            "ppe-best-of-k",
            "ppe-correctness",
            "ppe-preference",
            "rewardbench",
            "rewardbench-2",
            "rm-bench",
            "rmb",
        ),
    },
    "j1sdk-budget-forcing": {"formats": ("budget-forcing",)},
    "j1sdk-cluster": {"engines": ("ray", "replicas")},
    "j1sdk-data": {
        "builders": ("followbench-pairs", "noisy-instruction", "verified-solutions"),
        "commands": ("data",),
        "sources": ("gsm8k-solutions",),
    },
    "j1sdk-family": {
        "formats": ("hinted", "reward-anything", "rm-r1", "rrm", "think-j"),
        "rankings": ("elo",),
        "rewards": ("length-bonus", "preference-strength", "rating-closeness"),
        "sources": ("judgments", "reflections"),
        "trainers": ("on-policy-dpo", "rejection-sft"),
    },
    "j1sdk-openrlhf": {
        "commands": ("openrlhf",),
        "trainers": (
            "openrlhf",
            "openrlhf-dpo",
            "openrlhf-policy",
            "openrlhf-rm",
            "openrlhf-sft",
        ),
    },
    "j1sdk-quickstart": {
        "commands": ("quickstart",),
        "sources": ("arithmetic", "word-problems"),
    },
    "j1sdk-rubric": {"formats": ("rubric",), "rewards": ("criteria-correctness",)},
    "j1sdk-scale": {
        "commands": ("calibrate", "scale"),
        "formats": ("prefilled",),
        "scalings": ("cascade",),
        "trainers": ("distill",),
    },
    "j1sdk-spct": {"formats": ("spct", "spct-single"), "scalings": ("meta-judge",)},
    "j1sdk-verifiers": {"adapters": ("verifiers",), "exports": ("verifiers",)},
    "j1sdk-verl": {"exports": ("verl",)},
    "j1sdk-view": {"commands": ("view",)},
}
"""What this project's other distributions offer: so an unknown name can say what to install."""
