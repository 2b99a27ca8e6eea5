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
(`j1sdk.builtins`). A hook may also return `{"thumbs": "my_module:Thumbs"}`, which is imported when
it is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import pluggy

if TYPE_CHECKING:
    import click

    from j1sdk.component import Component

Offers: TypeAlias = "Sequence[type[Component]] | Mapping[str, str]"
"""Classes; or, so that a plugin loads nothing yet, `{"name": "module:Class"}`."""
Commands: TypeAlias = "Sequence[click.Command] | Mapping[str, str | tuple[str, str]]"
"""Commands; or, loading nothing yet, `{"name": ("module:command", "Its line in j1 --help.")}`."""

hookspec = pluggy.HookspecMarker("j1sdk")
hookimpl = pluggy.HookimplMarker("j1sdk")


@hookspec
def formats() -> Offers:  # type: ignore[empty-body]
    """How a judge is asked and its answer read."""


@hookspec
def engines() -> Offers:  # type: ignore[empty-body]
    """Models that complete conversations."""


@hookspec
def rewards() -> Offers:  # type: ignore[empty-body]
    """Terms of the reward a judge is trained with."""


@hookspec
def scalings() -> Offers:  # type: ignore[empty-body]
    """How many judgments are drawn for one, and what they add up to."""


@hookspec
def rankings() -> Offers:  # type: ignore[empty-body]
    """How a pairwise judge scores n responses."""


@hookspec
def sources() -> Offers:  # type: ignore[empty-body]
    """Where judgment tasks come from."""


@hookspec
def builders() -> Offers:  # type: ignore[empty-body]
    """What makes preference pairs."""


@hookspec
def benchmarks() -> Offers:  # type: ignore[empty-body]
    """What a judge is measured on, and how its judgments are scored."""


@hookspec
def trainers() -> Offers:  # type: ignore[empty-body]
    """What trains a judge."""


@hookspec
def adapters() -> Offers:  # type: ignore[empty-body]
    """A judge as what an RLHF framework takes for a reward."""


@hookspec
def exports() -> Offers:  # type: ignore[empty-body]
    """How a judge is trained by a framework that has a command of its own."""


@hookspec
def dialects() -> Offers:  # type: ignore[empty-body]
    """A framework's words over HTTP: routes of the reward server."""


@hookspec
def commands() -> Commands:  # type: ignore[empty-body]
    """Subcommands of `j1`."""
