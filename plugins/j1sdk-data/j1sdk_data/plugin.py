"""The hooks, apart from the package: its folder `builders` would take the place of its hook."""

from __future__ import annotations

from j1sdk.hookspecs import hookimpl


@hookimpl
def builders() -> dict[str, str]:
    return {
        "followbench-pairs": "j1sdk_data.builders.followbench:FollowBenchPairs",
        "noisy-instruction": "j1sdk_data.builders.noisy_instruction:NoisyInstruction",
        "verified-solutions": "j1sdk_data.builders.verified_solutions:VerifiedSolutions",
    }


@hookimpl
def sources() -> dict[str, str]:
    return {"gsm8k-solutions": "j1sdk_data.gsm8k:Gsm8kSolutions"}


@hookimpl
def commands() -> dict[str, tuple[str, str]]:
    return {
        "data": ("j1sdk_data.commands:data", "Make preference pairs, and check them."),
    }
