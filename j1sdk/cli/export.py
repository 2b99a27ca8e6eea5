"""`j1 export`: a run's training, written for a framework that has a command of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from j1sdk.cli import SETTINGS
from j1sdk.cli.console import messages, output, quiet_libraries


@click.command()
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option("--for", "framework", required=True, help="The framework: verl or verifiers.")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write to.",
)
@SETTINGS
def export(run_file: Path, framework: str, to: Path, settings: tuple[str, ...]) -> None:
    """Write the training of RUN_FILE's judge for a framework that has a command of its own.

    Writes rows and run file into --to, and prints what to add to the framework's command. The
    run's [train] is to be a `grpo`; `j1 train` runs it with TRL, and `j1 openrlhf command` is for
    OpenRLHF.
    """
    from j1sdk.catalogue import catalogue
    from j1sdk.files import write_text
    from j1sdk.run import dump_run, read_run
    from j1sdk.training.exports import RUN_FILE, Export

    quiet_libraries()
    kind: type[Any] = catalogue().find("exports", framework)
    chosen: Export = kind()
    run, folder = read_run(run_file, settings=settings), to.absolute()
    made = chosen.lay_out(run)
    instructions = chosen.instructions(made, folder)
    for name, text in {**instructions.files, RUN_FILE: dump_run(run)}.items():
        write_text(folder / name, text)
        messages.print(f"wrote {folder / name}", soft_wrap=True)
    messages.print(f"\n{len(made.rows):,} prompts. Add to {instructions.where}:\n", soft_wrap=True)
    output.print(instructions.paste, soft_wrap=True, highlight=False, markup=False)
    for remark in instructions.remarks:
        messages.print(f"\n{remark}", soft_wrap=True)
