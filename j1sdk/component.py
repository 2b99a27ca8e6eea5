"""What a component is: its options.

Formats, engines, rewards, scalings, rankings, sources and trainers are frozen pydantic models.
Fields are options, methods are behaviour, and `name` is how a run file asks for one:

    PairwiseVerdict(thinking="plan")                          # Python
    format = { name = "pairwise-verdict", thinking = "plan" }  # TOML
    format = "pairwise-verdict"                               # TOML, default options

A field typed with a kind's abstract class accepts all three; names are looked up in the validation
context (a `Context`, which `j1sdk.runfile` makes), or else in the process's catalogue. Dumping
writes the second form, with all options of the class that is really there. Options typed `Path` or
`ModelName` are relative to the run file.

What a component opens (weights, connections, files) is no part of it: two components are equal if
their options are, used or not, and `replace` makes a copy that has opened nothing yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import isabstract
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Protocol, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo

from j1sdk.catalogue import catalogue
from j1sdk.errors import ConfigError, did_you_mean, explain


class Finder(Protocol):
    """Whatever can find a component class by its kind and name."""

    def find(self, kind: str, name: str) -> type[Component]:
        """Raise ConfigError, with the near misses, where there is none."""
        ...


class Context(NamedTuple):
    """What validating a run file needs beside the mapping itself."""

    catalogue: Finder
    folder: Path | None = None
    """Where relative paths begin: the folder of the run file."""

    def find(self, kind: str, name: str) -> type[Component]:
        """As the catalogue does."""
        return self.catalogue.find(kind, name)


class _IsModel:
    """Marks a text that names a model."""


ModelName = Annotated[str, _IsModel()]
"""A model: a folder, or a name to be downloaded. A text that begins with a dot, or is a folder
beside the run file, is a folder."""


class MaybeName(NamedTuple):
    """Marks a path that may be a name instead, of which there is no file beside the run file."""

    is_name: Callable[[str], bool]


class Value(BaseModel):
    """A frozen value that accepts no unknown fields.

    Building one, and `replace`, raise ConfigError with a line for each problem. `model_validate`
    and its like are pydantic's own, for values inside of values, and raise its ValidationError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    if not TYPE_CHECKING:  # type checkers read the fields

        def __init__(self, /, **options: Any) -> None:
            try:
                self.__pydantic_validator__.validate_python(options, self_instance=self)
            except ValidationError as error:
                raise ConfigError(_refusal(type(self), error)) from None

        # Values inside of this one are validated without it: all problems are collected.
        __init__.__pydantic_base_init__ = True

        def __setattr__(self, name: str, value: Any) -> None:
            if name in type(self).model_fields:
                raise ConfigError(
                    f"{type(self).__name__} is frozen: make a changed copy,"
                    f" .replace({name}={value!r})"
                )
            super().__setattr__(name, value)

    @model_validator(mode="before")
    @classmethod
    def _read_mapping(cls, data: Any, info: ValidationInfo) -> Any:
        """Refuse unknown keys by saying which was meant; take relative paths from the folder."""
        if not isinstance(data, dict):
            return data
        if unknown := set(data) - set(cls.model_fields):
            key = sorted(map(str, unknown))[0]
            raise ValueError(f"unknown key {key!r}{did_you_mean(key, cls.model_fields)}")
        folder = getattr(info.context, "folder", None)
        return data if folder is None else _relocated(cls, data, folder)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated as a new one is; raises ConfigError."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**given, **changes})


def _refusal(cls: type[BaseModel], error: ValidationError) -> str:
    """What is wrong with the options of a class, each problem on a line of its own."""
    problems = explain(error)
    between = " " if len(problems) == 1 else "\n  "
    return between.join([f"{cls.__name__}:", *problems])


def _relocated(cls: type[BaseModel], data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The mapping with the paths among its options taken from the folder."""
    moved = dict(data)
    for name in data.keys() & cls.model_fields.keys():
        field = cls.model_fields[name]
        if any(isinstance(mark, _IsModel) for mark in parts((field.annotation, *field.metadata))):
            moved[name] = _model_at(folder, data[name])
        elif Path in parts(field.annotation) and not _is_name(field, folder, data[name]):
            moved[name] = _path_at(folder, data[name])
    return moved


def _is_name(field: FieldInfo, folder: Path, value: Any) -> bool:
    marks = [mark for mark in field.metadata if isinstance(mark, MaybeName)]
    if not isinstance(value, str) or (folder / value).exists():
        return False
    return any(mark.is_name(value) for mark in marks)


def parts(annotation: Any) -> list[Any]:
    """A type and all that it is made of."""
    inner = annotation if isinstance(annotation, tuple) else get_args(annotation)
    inner = (*inner, *getattr(annotation, "__metadata__", ()))
    return [annotation, *(part for one in inner for part in parts(one))]


def _path_at(folder: Path, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_path_at(folder, item) for item in value]
    if isinstance(value, Mapping):
        return {key: _path_at(folder, item) for key, item in value.items()}
    return str(folder / value) if isinstance(value, str) else value


def _model_at(folder: Path, value: Any) -> Any:
    if not isinstance(value, str) or not (value.startswith(".") or (folder / value).is_dir()):
        return value
    return str(folder / value)


class Component(Value):
    """A thing that a run file can name. `kind` is set by a kind's abstract class."""

    kind: ClassVar[str]
    name: ClassVar[str]

    @model_validator(mode="wrap")
    @classmethod
    def _by_name(
        cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Turn "pointwise" and {"name": "pointwise", ...} into the component they name."""
        options = {"name": value} if isinstance(value, str) else value
        if isinstance(value, type) and issubclass(value, Component):
            raise ValueError(f"{value.__name__} is a class: write {value.__name__}()")
        if not isinstance(options, dict) or "name" not in options:
            if isinstance(options, dict) and isabstract(cls):
                raise ValueError(f"no `name`: say which of the {cls.kind} is meant")
            return handler(value)
        if not isinstance(options["name"], str):
            raise ValueError(f"`name` should be a text, not {options['name']!r}")
        rest = {key: option for key, option in options.items() if key != "name"}
        if options["name"] == getattr(cls, "name", None):
            return handler(rest)
        known: Finder = catalogue() if info.context is None else info.context
        named = known.find(cls.kind, options["name"])
        built = named.model_validate(rest, context=info.context)
        if not isinstance(built, cls):
            raise ValueError(f"{options['name']!r} is no {cls.__name__}")
        return built

    @model_serializer(mode="wrap")
    def _with_name(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Its name and options: those of its own class, whatever a field is declared as."""
        options = handler(self)
        if _is_partial(self, options, info):
            dumped: dict[str, Any] = self.__pydantic_serializer__.to_python(self, mode=info.mode)
            return dumped
        return {"name": self.name, **options}


def _is_partial(component: Component, options: Mapping[str, Any], info: SerializationInfo) -> bool:
    """Whether only the options of an abstract class were written, without anybody's asking."""
    if info.include or info.exclude or info.exclude_none or info.exclude_unset:
        return False
    shown = {name for name, field in type(component).model_fields.items() if not field.exclude}
    return not shown <= options.keys() and not info.exclude_defaults
