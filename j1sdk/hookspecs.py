"""All extension points, on one page.

A plugin is a module (or object) whose hooks return component classes:

    from j1sdk import JudgmentFormat, hookimpl

    class Thumbs(JudgmentFormat):
        name = "thumbs"
        ...

    @hookimpl
    def formats():
        return [Thumbs]

and two lines of its pyproject.toml:

    [project.entry-points.j1sdk]
    thumbs = "my_module"

Hooks only register; judging never goes through them. Our own components come in the same way
(`j1sdk.builtins`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from j1sdk.data import Source
    from j1sdk.data.builders import Builder
    from j1sdk.engines import Engine
    from j1sdk.evaluation.benchmarks import Benchmark
    from j1sdk.formats import JudgmentFormat
    from j1sdk.rankings import Ranking
    from j1sdk.rewards import RewardStrategy
    from j1sdk.scaling import Scaling
    from j1sdk.training import Trainer

hookspec = pluggy.HookspecMarker("j1sdk")
hookimpl = pluggy.HookimplMarker("j1sdk")


@hookspec
def formats() -> Sequence[type[JudgmentFormat]]:  # type: ignore[empty-body]
    """How a judge is asked and its answer read."""


@hookspec
def engines() -> Sequence[type[Engine]]:  # type: ignore[empty-body]
    """Models that complete conversations."""


@hookspec
def rewards() -> Sequence[type[RewardStrategy]]:  # type: ignore[empty-body]
    """Terms of the reward a judge is trained with."""


@hookspec
def scalings() -> Sequence[type[Scaling]]:  # type: ignore[empty-body]
    """How many judgments are drawn for one, and what they add up to."""


@hookspec
def rankings() -> Sequence[type[Ranking]]:  # type: ignore[empty-body]
    """How a pairwise judge scores n responses."""


@hookspec
def sources() -> Sequence[type[Source]]:  # type: ignore[empty-body]
    """Where judgment tasks come from."""


@hookspec
def builders() -> Sequence[type[Builder]]:  # type: ignore[empty-body]
    """What makes preference pairs."""


@hookspec
def benchmarks() -> Sequence[type[Benchmark]]:  # type: ignore[empty-body]
    """What a judge is measured on, and how its judgments are scored."""


@hookspec
def trainers() -> Sequence[type[Trainer]]:  # type: ignore[empty-body]
    """What trains a judge."""


@hookspec
def commands() -> Sequence[click.Command]:  # type: ignore[empty-body]
    """Subcommands of `j1`."""
