"""`j1 eval`: measure a judge, on tasks of one's own or on a public benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from j1sdk.cli.console import (
    block_table,
    messages,
    metrics_table,
    output,
    progress_bars,
    quiet_libraries,
    show_statuses,
)
from j1sdk.cli.fields import FIELDS, Fields, columns_of
from j1sdk.component import Component
from j1sdk.errors import ConfigError, DataError, explain
from j1sdk.evaluation.metrics import Metrics, measure

if TYPE_CHECKING:
    from j1sdk.evaluation.benchmarks import Benchmark
    from j1sdk.evaluation.evaluations import Evaluated


@click.command(name="eval")
@click.argument("judge", type=click.Path(path_type=Path), required=False)
@click.option("--benchmark", help="A public benchmark by name, such as rewardbench.")
@click.option(
    "--judgments",
    type=click.Path(path_type=Path),
    help="Score these recorded judgments (JSON lines) on --benchmark, instead of judging.",
)
@click.option("--source", help="A source of tasks by name, such as arithmetic.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A JSON lines file of pairs; with --benchmark, its official records: a file or a folder.",
)
@FIELDS
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the benchmark, such as responses=claude of judgebench; or, with a dot, of"
    " the run file, such as judge.sampling.seed=1.",
)
@click.option("--seed", type=int, help="The source's seed.")
@click.option("--limit", type=click.IntRange(1), help="Judge only the first so many tasks.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write judgments to, and a benchmark's scores and report.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def evaluate(
    judge: Path | None,
    benchmark: str | None,
    judgments: Path | None,
    source: str | None,
    data: Path | None,
    fields: Fields,
    settings: tuple[str, ...],
    seed: int | None,
    limit: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure JUDGE (a saved judge's folder, or a run file) on tasks with gold labels.

    With --benchmark, on a public benchmark: every scoring convention in use, with bootstrap
    intervals. Judging fills --out, and interrupted, the same command goes on where it stopped.
    With --judgments, recorded judgments are scored, and no judge is needed. `j1 compare` shows
    the folders of several runs beside each other.

    Otherwise on --source or --data; without them the tasks are those of the run file's [data].
    With --out the judgments are kept as they arrive, as `j1 judge` does.
    """
    quiet_libraries()
    changes = tuple(one for one in settings if "." in one.partition("=")[0])
    settings = tuple(one for one in settings if one not in changes)
    columns = columns_of(fields) or None
    if benchmark is None:
        for name, given in (("--judgments", judgments), ("--set OPTION", settings)):
            if given:
                raise ConfigError(f"{name} goes with --benchmark NAME")
        options = {"seed": seed, "limit": limit, "fields": columns}
        measure_tasks(judge, source, data, options, as_json, out, changes)
        return
    if source or seed is not None:
        raise ConfigError("--benchmark has its own tasks: leave out --source and --seed")
    chosen = benchmark_of(benchmark, settings, {"path": data, "limit": limit, "fields": columns})
    evaluated = evaluated_on(chosen, judge, judgments, out, changes)
    if as_json:
        click.echo(evaluated.model_dump_json(indent=2))
    else:
        show(evaluated, str(judgments or judge))
    if out:
        messages.print(f"Written to {write_page(out)}", soft_wrap=True)
    if judge and out:
        show_failures(evaluated.strict.metrics, out)
    elif judgments:
        require_judged(evaluated.strict.metrics, judgments)


def measure_tasks(
    judge: Path | None,
    source: str | None,
    data: Path | None,
    options: dict[str, Any],
    as_json: bool,
    out: Path | None,
    changes: Sequence[str] = (),
) -> None:
    """Judge tasks of one's own, into `out` if that is given, and print the metrics."""
    from j1sdk.judging import Tasks, judge_to_folder
    from j1sdk.resuming import engine_failures
    from j1sdk.run import open_run

    if judge is None:
        raise ConfigError("no JUDGE: give a run file, or a saved judge's folder")
    run = open_run(judge, changes)
    tasks = source_of(run.data, source, data, options)
    if out:
        with progress_bars() as start:
            measured = judge_to_folder(run.judge, Tasks(tasks), out, start("Judging"))
    else:
        results = run.judge.judge(tasks.load())
        failures = engine_failures(one for result in results for one in result.judgments)
        measured = measure(results)
    if as_json:
        click.echo(measured.model_dump_json(indent=2))
    else:
        output.print(metrics_table(str(judge), {source or str(data or "its data"): measured}))
        show_statuses(measured)
    if out:
        show_failures(measured, out)
    elif failures:
        messages.print(failures, soft_wrap=True)


def show_failures(measured: Metrics, out: Path) -> None:
    """Say how often the engine failed, and why; raises EngineError where that was always."""
    from j1sdk.judging import failures_in

    if failures := failures_in(measured, out):
        messages.print(failures, soft_wrap=True)


def require_judged(measured: Metrics, judgments: Path) -> None:
    """Raises DataError where an engine failed on all that was recorded: then nothing is known."""
    failed, total = measured.statuses["engine_error"], sum(measured.statuses.values())
    if failed == total:
        raise DataError(
            f"{judgments}: nothing was judged: the engine failed on all {total:,} judgments. Run"
            " the `j1 judge` that wrote it once more: it asks for failed ones again"
        )


def evaluated_on(
    benchmark: Benchmark,
    judge: Path | None,
    judgments: Path | None,
    out: Path | None,
    changes: Sequence[str] = (),
) -> Evaluated:
    """What a judge, or its recorded judgments, come to; raises ConfigError for both or neither."""
    from j1sdk.evaluation.evaluations import evaluate_readings, evaluate_to_folder
    from j1sdk.judging import judge_benchmark
    from j1sdk.judgments import read_records
    from j1sdk.run import open_run

    if (judge is None) == (judgments is None):
        raise ConfigError("give a JUDGE to be asked, or --judgments FILE.jsonl to be scored")
    if judgments:
        records = read_records(judgments)
        if out:
            return evaluate_to_folder(benchmark, records, out)
        return evaluate_readings(benchmark, records)
    if judge is None or out is None:
        raise ConfigError("judging a benchmark takes a while: give --out DIR to keep judgments in")
    run = open_run(judge, changes)
    with progress_bars() as start:
        return judge_benchmark(run.judge, benchmark, out, start("Judging"))


def show(evaluated: Evaluated, title: str) -> None:
    """Print the scores, the metrics and what a reader must know of them."""
    from j1sdk.report.benchmark_page import calibration_table, reading_table, score_table

    title = f"{title} on {evaluated.benchmark.name}"
    output.print(block_table(score_table(evaluated.benchmark, evaluated.readings, title)))
    output.print(block_table(reading_table(evaluated.readings)))
    if known := evaluated.strict.calibration:
        output.print(block_table(calibration_table({"": known})))
    show_statuses(evaluated.strict.metrics)
    for note in evaluated.strict.notes:
        output.print(f"Note: {note}")


def write_page(out: Path) -> Path:
    """Write the report of the run in `out`; says where."""
    from j1sdk.catalogue import catalogue
    from j1sdk.evaluation.entries import read_entries
    from j1sdk.report import write_report
    from j1sdk.report.benchmark_page import comparison_report

    page = out / "report.html"
    write_report(comparison_report(read_entries([out], catalogue())), page)
    return page


def benchmark_of(name: str, settings: tuple[str, ...], options: dict[str, Any]) -> Benchmark:
    """The benchmark of this name and its options; raises ConfigError."""
    from j1sdk.catalogue import catalogue

    given = {key: value for key, value in options.items() if value is not None}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: write OPTION=VALUE")
        given[key] = value
    chosen: Benchmark = component(catalogue().find("benchmarks", name), given)
    return chosen


def source_of(own: Any, name: str | None, data: Path | None, options: dict[str, Any]) -> Any:
    """The source that options name; raises ConfigError if they name none, or two."""
    from j1sdk.catalogue import catalogue

    if name and data:
        raise ConfigError("--source and --data both name tasks: give one")
    given = {key: value for key, value in options.items() if value is not None}
    if data:
        name, given = "jsonl", given | {"path": data}
    if name is None and own is None:
        raise ConfigError("no tasks to judge: give --source NAME or --data FILE.jsonl")
    kind: type[Component] = catalogue().find("sources", name) if name else type(own)
    if unknown := sorted(set(given) - set(kind.model_fields)):
        option = "field" if unknown[0] == "fields" else unknown[0]
        raise ConfigError(f"source {kind.name!r} has no option --{option}")
    return component(kind, {**({} if name else dict(own)), **given})


def component(kind: type[Component], options: dict[str, Any]) -> Any:
    """A component with these options; raises ConfigError naming the one that is wrong."""
    try:
        return kind.model_validate(options)
    except ValidationError as error:
        raise ConfigError(f"{kind.kind[:-1]} {kind.name!r}: {explain(error)[0]}") from error
