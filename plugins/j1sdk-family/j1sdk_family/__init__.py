"""Judges of other papers: a module for each system, and what several of them train by."""

from __future__ import annotations

from j1sdk.hookspecs import hookimpl


@hookimpl
def formats() -> dict[str, str]:
    return {
        "hinted": "j1sdk_family.hinted:Hinted",
        "reward-anything": "j1sdk_family.reward_anything:RewardAnything",
        "rm-r1": "j1sdk_family.rm_r1:RmR1",
        "rrm": "j1sdk_family.rrm:Rrm",
        "think-j": "j1sdk_family.think_j:ThinkJ",
    }


@hookimpl
def rankings() -> dict[str, str]:
    return {"elo": "j1sdk_family.rrm:Elo"}


@hookimpl
def rewards() -> dict[str, str]:
    return {
        "length-bonus": "j1sdk_family.judge_lrm:LengthBonus",
        "preference-strength": "j1sdk_family.think_j:PreferenceStrength",
        "rating-closeness": "j1sdk_family.judge_lrm:RatingCloseness",
    }


@hookimpl
def sources() -> dict[str, str]:
    return {
        "judgments": "j1sdk_family.judgments:Judgments",
        "reflections": "j1sdk_family.reflections:Reflections",
    }


@hookimpl
def trainers() -> dict[str, str]:
    return {
        "on-policy-dpo": "j1sdk_family.rejection:OnPolicyDpo",
        "rejection-sft": "j1sdk_family.rejection:RejectionSft",
    }
