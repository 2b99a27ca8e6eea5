"""`j1 eval`: measure a judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from j1sdk.cli.console import metrics_table, output, quiet_libraries
from j1sdk.component import Component
from j1sdk.errors import ConfigError, explain
from j1sdk.evaluation.metrics import measure


@click.command(name="eval")
@click.argument("judge", type=click.Path(path_type=Path))
@click.option("--source", help="A source of tasks by name, such as arithmetic.")
@click.option("--data", type=click.Path(path_type=Path), help="A JSON lines file of pairs.")
@click.option("--seed", type=int, help="The source's seed.")
@click.option("--limit", type=click.IntRange(1), help="Judge only the first so many tasks.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def evaluate(
    judge: Path, source: str | None, data: Path | None, seed: int | None, limit: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Measure JUDGE (a saved judge's folder, or a run file) on tasks with gold labels.

    Without --source or --data, the tasks are those of the run file's [data].
    """
    from j1sdk.config import open_run

    quiet_libraries()
    run = open_run(judge)
    tasks = source_of(run.data, source, data, {"seed": seed, "limit": limit}).load()
    measured = measure(run.judge.judge(tasks))
    if as_json:
        click.echo(measured.model_dump_json(indent=2))
    else:
        output.print(metrics_table(str(judge), {source or str(data or "its data"): measured}))


def source_of(own: Any, name: str | None, data: Path | None, options: dict[str, Any]) -> Any:
    """The source that options name; raises ConfigError if they name none, or two."""
    from j1sdk.host import host

    if name and data:
        raise ConfigError("--source and --data both name tasks: give one")
    given = {key: value for key, value in options.items() if value is not None}
    if data:
        name, given = "jsonl", given | {"path": data}
    if name is None and own is None:
        raise ConfigError("no tasks to judge: give --source NAME or --data FILE.jsonl")
    kind: type[Component] = host().find("sources", name) if name else type(own)
    if unknown := sorted(set(given) - set(kind.model_fields)):
        raise ConfigError(f"source {kind.name!r} has no option --{unknown[0]}")
    try:
        return kind.model_validate({**({} if name else dict(own)), **given})
    except ValidationError as error:
        raise ConfigError(f"source {kind.name!r}: {explain(error)[0]}") from error
