"""What the installed OpenRLHF says to a command line, without importing any of its GPU code.

Its parsers are built inside `if __name__ == "__main__":`. That block is taken from the source and
run with `train` replaced, so both the parser and the checks behind it are OpenRLHF's own.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from j1sdk.errors import ConfigError, MissingExtraError, did_you_mean


def installed_version() -> str:
    """The version that is installed; raises MissingExtraError."""
    try:
        return version("openrlhf")
    except PackageNotFoundError as error:
        raise MissingExtraError("openrlhf", "openrlhf") from error


def check_words(program: str, line: Sequence[str]) -> None:
    """Raise ConfigError where OpenRLHF would refuse the options; `program` as in train_ppo_ray."""
    known = {option for action in parser_of(program)._actions for option in action.option_strings}
    for word in line:
        if word.startswith("--") and word not in known:
            raise ConfigError(f"{program} has no option {word}{did_you_mean(word, known)}")
    _run(program, line)


def parser_of(program: str) -> argparse.ArgumentParser:
    """OpenRLHF's parser."""
    body = _main_block(program)
    parsed = next(
        place for place, statement in enumerate(body) if "parse_args()" in ast.unparse(statement)
    )
    names = _names()
    exec(compile(ast.Module(body[:parsed], []), program, "exec"), names)
    parser: argparse.ArgumentParser = names["parser"]
    return parser


def _run(program: str, line: Sequence[str]) -> None:
    """Parse the line and run what OpenRLHF checks before it trains."""
    said = io.StringIO()
    code = compile(ast.Module(_main_block(program), []), program, "exec")
    try:
        with _in_place(program, line), contextlib.redirect_stderr(said):
            exec(code, _names())
    except SystemExit as error:
        lines = said.getvalue().strip().splitlines()
        raise ConfigError(f"{program}: {lines[-1] if lines else error}") from error
    except (AssertionError, ValueError, TypeError) as error:
        raise ConfigError(f"{program} refuses these options: {error}") from error


def _main_block(program: str) -> list[ast.stmt]:
    source = _folder() / "cli" / f"{program}.py"
    for statement in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test):
            return statement.body
    raise ConfigError(f"{source} is not built as other versions are: it cannot be checked")


def _folder() -> Path:
    installed_version()
    spec = find_spec("openrlhf")
    if spec is None or spec.origin is None:
        raise MissingExtraError("openrlhf", "openrlhf")
    return Path(spec.origin).parent


def _names() -> dict[str, Any]:
    """What the block takes from the module around it."""
    return {"argparse": argparse, "os": os, "datetime": datetime, "train": lambda args: None}


@contextlib.contextmanager
def _in_place(program: str, line: Sequence[str]) -> Iterator[None]:
    """The command line, and stand-ins for what the block imports before it calls `train`."""
    config = ModuleType("openrlhf.utils.config")
    vars(config).update(runpy.run_path(str(_folder() / "utils" / "config.py")))
    utils = ModuleType("openrlhf.utils")
    vars(utils)["config"] = config
    stand_ins = {"openrlhf.utils": utils, "openrlhf.utils.config": config}
    with patch.dict(sys.modules, stand_ins), patch.object(sys, "argv", [program, *line]):
        yield
