"""What a whole run is in OpenRLHF's words: a command, or one for each phase of a chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from j1sdk.errors import ConfigError
from j1sdk.run import Run
from j1sdk.training import Trainer
from j1sdk.training.chain import Chain, Phase
from j1sdk_openrlhf.base import FINAL, OpenRLHFTrainer, Plan, folder_in, model_of
from j1sdk_openrlhf.parsers import installed_version


class Planned(NamedTuple):
    """A phase of a run, or all of it under no title."""

    title: str
    trainer: OpenRLHFTrainer
    plan: Plan


def plans(run: Run, out: Path) -> Iterator[Planned | str]:
    """Write OpenRLHF's files into `out` and yield what it is to do; of other phases, the title.

    The weights that a phase starts from are not there yet: its files are made with the tokenizer
    of the run's own model. Raises ConfigError where nothing is OpenRLHF's.
    """
    phases = phases_of(run, out)
    if not any(isinstance(phase.trainer, OpenRLHFTrainer) for phase in phases):
        raise ConfigError('nothing is for OpenRLHF here: set name = "openrlhf" in [train]')
    weights: Path | None = None
    for phase in phases:
        if not isinstance(phase.trainer, OpenRLHFTrainer):
            weights = phase.out.absolute() / phase.trainer.leaves
            yield phase.title
            continue
        first = phase.run.model_copy(update={"judge": run.judge})
        made = phase.trainer.plan(first, phase.out, installed_version())
        if weights:
            made = on(made, model_of(run, phase.trainer.name), weights)
        weights = folder_in(phase.out) / FINAL
        yield Planned(phase.title, phase.trainer, made)


def phases_of(run: Run, out: Path) -> list[Phase]:
    """The run's phases; all of it as one where it has none."""
    if isinstance(run.train, Chain):
        return list(run.train.in_turn(run, out))
    return [Phase("", run.train, run, out)] if isinstance(run.train, Trainer) else []


def on(plan: Plan, model: str, weights: Path) -> Plan:
    """The plan with other weights in place of a model."""
    line = [str(weights) if word == model else word for word in plan.line]
    return plan._replace(line=line)
