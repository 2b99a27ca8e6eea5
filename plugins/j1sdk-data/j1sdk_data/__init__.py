"""Makes preference pairs, and says what is wrong with them: `j1 data build`, `j1 data check`."""

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
def commands() -> dict[str, str]:
    return {
        "data": "j1sdk_data.commands:data",
    }
