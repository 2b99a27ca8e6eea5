"""What can be asked for: every kind, name and option, as data, as a page and as a JSON schema.

All of it is read from the component classes that the catalogue finds, plugins included; nothing is
written twice. `j1 describe`, `j1 schema` and docs/reference.md show it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from inspect import cleandoc, isabstract
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import PydanticOmit, core_schema

from j1sdk.catalogue import KINDS, Catalogue
from j1sdk.component import Component, Value, parts
from j1sdk.run import Run

TABLES = "tables"
"""Options that are a table of their own and no component: `[judge]`, `[serve]`, sampling, ..."""


class Option(NamedTuple):
    """One option of a component or table."""

    name: str
    type: str
    """In words: `int >= 1`, `"both" | "first"`, `format`, `list of str`."""
    default: str
    """As a run file writes it; `required`, or empty for an option that is off unless given."""
    description: str


class Entry(NamedTuple):
    """Something that has options."""

    kind: str
    name: str
    description: str
    options: tuple[Option, ...]

    @property
    def summary(self) -> str:
        """The first line of the description."""
        return self.description.split("\n")[0]


def entries(catalogue: Catalogue) -> dict[str, dict[str, Entry]]:
    """Everything with options, by kind and name."""
    components = {kind: _components(catalogue, kind) for kind in KINDS}
    reached = _tables([Run, *(cls for named in components.values() for cls in named.values())])
    kinds: dict[str, dict[str, type[Value]]] = {
        **{kind: dict(named) for kind, named in components.items() if named},
        TABLES: {cls.__name__: cls for cls in reached},
    }
    return {
        kind: {name: entry_of(kind, name, cls) for name, cls in named.items()}
        for kind, named in kinds.items()
    }


def entry_of(kind: str, name: str, cls: type[Value]) -> Entry:
    """A class and its options, in the order in which it declares them."""
    shown = {option: field for option, field in cls.model_fields.items() if not field.exclude}
    options = tuple(
        Option(option, type_of(field), default_of(field), field.description or "")
        for option, field in shown.items()
    )
    return Entry(kind, name, cleandoc(cls.__doc__ or ""), options)


def type_of(field: FieldInfo) -> str:
    """A field's type in words, with its bounds."""
    bounds = [
        f"{sign} {getattr(mark, key):g}"
        for mark in field.metadata
        for key, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
        if getattr(mark, key, None) is not None
    ]
    return " ".join([_words(field.annotation), *bounds])


def default_of(field: FieldInfo) -> str:
    """A field's default as a run file writes it."""
    if field.is_required():
        return "required"
    plain = _plain(field.get_default(call_default_factory=True, validated_data={}))
    return "" if plain is None else json.dumps(plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        changed = value.model_dump(mode="json", exclude_defaults=True)
        return value.name if changed.keys() <= {"name"} else changed
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path | Enum) else value


def _words(annotation: Any) -> str:
    """A type as somebody would say it who writes a run file."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(inner[0])
    if origin is Literal:
        return " | ".join(map(json.dumps, inner))
    if origin in (Union, UnionType):
        return " | ".join(_words(one) for one in inner if one is not NoneType)
    if origin in (tuple, list, frozenset):
        return f"list of {_words(inner[0])}"
    if origin is dict:
        return f"table of {_words(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return annotation.kind[:-1]
    return "anything" if annotation is Any else getattr(annotation, "__name__", str(annotation))


def _components(catalogue: Catalogue, kind: str) -> dict[str, type[Component]]:
    return {name: catalogue.find(kind, name) for name in catalogue.names(kind)}


def _tables(found: list[type[Value]]) -> list[type[Value]]:
    """The values, no components, that are options of these classes or of each other."""
    reached = list(found)
    for cls in reached:  # which grows
        shown = [field.annotation for field in cls.model_fields.values() if not field.exclude]
        reached.extend(one for one in _values(shown) if one not in reached)
    return [cls for cls in reached if not issubclass(cls, Component)]


def _values(annotations: list[Any]) -> Iterator[type[Value]]:
    inner = (part for annotation in annotations for part in parts(annotation))
    yield from dict.fromkeys(
        one for one in inner if isinstance(one, type) and issubclass(one, Value)
    )


def page(catalogue: Catalogue) -> str:
    """All of it as one page of Markdown."""
    lines = [
        "# Reference",
        "",
        "Every kind, name and option, as `j1 describe` shows them. This page is written by"
        " `j1 describe --page`.",
        "",
    ]
    for kind, named in entries(catalogue).items():
        lines += [f"## {kind.capitalize()}", ""]
        for entry in named.values():
            lines += [f"### `{entry.name}`", "", entry.description, "", *_rows(entry)]
    return "\n".join(lines).rstrip() + "\n"


def _rows(entry: Entry) -> list[str]:
    if not entry.options:
        return ["No options.", ""]
    rows = ["| option | type | default | |", "| --- | --- | --- | --- |"]
    for option in entry.options:
        default = f"`{option.default}`" if option.default else ""
        cells = (
            f"`{option.name}`",
            f"`{option.type}`".replace(" | ", "` or `"),  # a bar in code shows its backslash too
            default,
            " ".join(option.description.split()),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*rows, ""]


class _RunFileSchema(GenerateJsonSchema):
    """Leaves out what no file can say, such as a function."""

    def handle_invalid_for_json_schema(
        self, schema: core_schema.CoreSchema, error_info: str
    ) -> JsonSchemaValue:
        raise PydanticOmit


def schema(catalogue: Catalogue) -> dict[str, Any]:
    """The JSON schema of a run file, for editors: each component by its name or with options."""
    components = {kind: list(_components(catalogue, kind).values()) for kind in KINDS}
    classes = [cls for named in components.values() for cls in named]
    abstract: list[type[Component]] = [
        base for cls in classes for base in cls.__mro__ if _is_open(base)
    ]
    models: list[Any] = [(cls, "validation") for cls in dict.fromkeys([Run, *classes, *abstract])]
    references, made = models_json_schema(models, schema_generator=_RunFileSchema)
    definitions = made["$defs"]
    keys = {cls: ref["$ref"].rpartition("/")[2] for (cls, _), ref in references.items()}
    for cls in classes:
        _name(definitions[keys[cls]], cls)
    for base in dict.fromkeys(abstract):
        members = [cls for cls in components[base.kind] if issubclass(cls, base)]
        definitions[keys[base]] = _any_of(base, members, keys)
    run = definitions.pop(keys[Run])
    run["properties"]["train"] = _or_list(run["properties"]["train"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **run, "$defs": definitions}


def _is_open(cls: type) -> TypeGuard[type[Component]]:
    """Whether it stands for all components of a kind, or for some of them."""
    return issubclass(cls, Component) and isabstract(cls) and "kind" in dir(cls)


def _name(definition: dict[str, Any], cls: type[Component]) -> None:
    properties = definition.get("properties", {})
    definition["properties"] = {"name": {"const": cls.name}, **properties}
    definition["required"] = ["name", *definition.get("required", [])]


def _any_of(
    base: type[Component], members: list[type[Component]], keys: dict[Any, str]
) -> dict[str, Any]:
    names = {"enum": [cls.name for cls in members], "description": "A name: its default options."}
    tables = [{"$ref": f"#/$defs/{keys[cls]}"} for cls in members]
    return {"title": base.__name__, "anyOf": [names, *tables]}


def _or_list(trainer: dict[str, Any]) -> dict[str, Any]:
    """A trainer, or several, which run one after the other."""
    kept = {key: value for key, value in trainer.items() if key != "anyOf"}
    several = {"type": "array", "items": trainer["anyOf"][0], "minItems": 1}
    return {**kept, "anyOf": [*trainer["anyOf"], several]}
