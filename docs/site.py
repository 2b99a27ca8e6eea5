"""What `mkdocs build` adds: results, plugins' pages and recipes from beside this folder.

And two pages made when the site is built, so that they are never out of date: the commands, from
their own help, and the Python interface, from its docstrings.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File, Files

import j1sdk
from j1sdk.cli import j1

ROOT = Path(__file__).parents[1]
BESIDE = ("benchmarks/results/**/*.md", "benchmarks/results/**/*.svg", "plugins/*/README.md",
          "examples/**/*.toml", "examples/**/*.py")  # fmt: skip
OUTWARD = re.compile(r"\]\((?:\.\./)+([^)#]+)(#[^)]*)?\)")
FRONTS = ("j1sdk.evaluation", "j1sdk.report", "j1sdk.server", "j1sdk.training", "j1sdk.adapters",
          "j1sdk.testing")  # fmt: skip


def on_files(files: Files, config: Any) -> Files:
    """The files that pages link to from outside of `docs`, under their own names."""
    for pattern in BESIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = str(path.relative_to(ROOT))
            files.append(File.generated(config, name, abs_src_path=str(path)))
    files.append(File.generated(config, "commands.md", content=commands()))
    files.append(File.generated(config, "python.md", content=interface()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links that go up to the repository, from here."""
    depth = page.file.src_uri.count("/")

    def inward(link: re.Match[str]) -> str:
        target, anchor = link[1], link[2] or ""
        if (ROOT / target / "README.md").is_file():
            target += "/README.md"
        target = {"README.md": "index.md"}.get(target, target.removeprefix("docs/"))
        return f"]({'../' * depth}{target}{anchor})"

    return OUTWARD.sub(inward, markdown)


def commands() -> str:
    """Every command's help."""
    parts = ["# Commands", "", "What each command says of itself with `--help`.", ""]
    context = click.Context(j1, info_name="j1")
    for name in j1.list_commands(context):
        command = j1.get_command(context, name)
        if command is not None:
            parts += _help(command, click.Context(command, parent=context, info_name=name))
    return "\n".join(parts)


def _help(command: click.Command, context: click.Context) -> list[str]:
    shown = [f"## {context.command_path}", "", "```text", command.get_help(context), "```", ""]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                shown += _help(inner, click.Context(inner, parent=context, info_name=name))
    return shown


def interface() -> str:
    """The names that `j1sdk` and its rooms offer, with their docstrings."""
    parts = ["# Python", "", "What `import j1sdk` offers; then its rooms, for more.", ""]
    for name in sorted(j1sdk.__all__):
        kind = getattr(j1sdk, name)
        module = getattr(kind, "__module__", "")
        if module.startswith("j1sdk") and isinstance(kind, type):
            parts += [f"::: {module}.{kind.__name__}", ""]
    rooms = (f"::: {front}\n    options:\n      members: []\n" for front in FRONTS)
    return "\n".join([*parts, *rooms])
