"""Options that somebody has already written down for OpenRLHF: a script that runs it, or YAML.

A script is read as far as it is a command: the words behind `openrlhf.cli.PROGRAM`, or all words of
a file that has nothing but options. It is not run, so nothing in it is filled in by a shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk_openrlhf.flags import Flags, words

OPERATOR = re.compile(r"\d?[|&;<>]")
"""How a word begins that ends a command's own: a pipe, a redirection or what comes next."""


def read_arguments(path: Path, program: str) -> Flags:
    """The options a file has for a program; raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    if path.suffix in (".yaml", ".yml"):
        return dict(_flat(_yaml(text, path)))
    return _options(_command(text, path, program), path)


def _yaml(text: str, path: Path) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("yaml", "openrlhf") from error
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(read, dict):
        raise ConfigError(f"{path} should hold options by name")
    return read


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """`{actor: {adam: {lr: 1}}}` and `{actor.adam.lr: 1}` are the same."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", tuple(value) if isinstance(value, list) else value


def _command(text: str, path: Path, program: str) -> list[str]:
    """The words behind the program's name, or all of them where no program is named."""
    lines = [list(_split(line)) for line in re.sub(r"\\\s*\n", " ", text).splitlines()]
    for line in lines:
        for place, word in enumerate(line):
            if word == f"openrlhf.cli.{program}":
                lines = [line[place + 1 :]]
    told = [word for line in lines for word in line]
    if not told or not told[0].startswith("--"):
        raise ConfigError(f"{path} neither runs openrlhf.cli.{program} nor is a list of options")
    return told


def _split(line: str) -> Iterator[str]:
    """The words of a line's first command."""
    with suppress(ValueError):  # a quotation over several lines is none of OpenRLHF's options
        yield from takewhile(
            lambda word: not OPERATOR.match(word), shlex.split(line, comments=True)
        )


def _options(told: Sequence[str], path: Path) -> Flags:
    """Words by the option before them: none is a switch, several are a tuple."""
    values: dict[str, list[str]] = {}
    for word in told:
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--"):
            values[name] = [value] if equals else []
        else:
            value = word
            values[next(reversed(values))].append(word)
        if "$" in value:
            raise ConfigError(f"{path}: {value!r} is for a shell to fill in, and this is not one")
    return {name: _value(given) for name, given in values.items()}


def _value(given: list[str]) -> Any:
    return True if not given else given[0] if len(given) == 1 else tuple(given)


def check_agreement(told: Flags, said: Flags, path: Path | None) -> None:
    """Raise ConfigError, naming every option that the file and the run have with other values."""
    apart = [
        f"  --{name}: {_shown(value)} in the file, {_shown(said[name])} by the run"
        for name, value in told.items()
        if name in said and not _same(value, said[name])
    ]
    if apart:
        listed = "\n".join(apart)
        raise ConfigError(
            f"{path} and the run do not agree:\n{listed}\nTake these out of the file, or have the"
            " run file say the same"
        )


def _same(told: Any, said: Any) -> bool:
    one, other = words({"x": told}), words({"x": said})
    return one == other or list(map(_number, one)) == list(map(_number, other))


def _number(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word


def _shown(value: Any) -> str:
    given = words({"x": value})[1:]
    return " ".join(given) if given else "on" if value is True else "off"
