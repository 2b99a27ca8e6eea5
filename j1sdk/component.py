"""What a component is: its options.

Formats, engines, rewards, scalings, rankings, sources and trainers are frozen pydantic models.
Fields are options, methods are behaviour, and `name` is how a run file asks for one:

    PairwiseVerdict(thinking="plan")                          # Python
    format = { name = "pairwise-verdict", thinking = "plan" }  # TOML
    format = "pairwise-verdict"                               # TOML, default options

What a component opens (weights, connections, files) is no part of it: two components are equal if
their options are, used or not, and `replace` makes a copy that has opened nothing yet.

A field typed with a kind's abstract class accepts all three, if the validation context carries
a catalogue (`j1sdk.config` passes the plugin host). Dumping writes the second form.
"""

from __future__ import annotations

from inspect import isabstract
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from j1sdk.errors import did_you_mean


class Catalogue(Protocol):
    """Whatever can find a component class by its kind and name."""

    def find(self, kind: str, name: str) -> type[Component]:
        """Raise ConfigError, with the near misses, where there is none."""
        ...


class Guarded:
    """A catalogue for a folder that may be a stranger's: refuses components that need trust."""

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        self._catalogue, self._folder = catalogue, folder

    def find(self, kind: str, name: str) -> type[Component]:
        return self._catalogue.find(kind, name)

    def admit(self, component: Component) -> None:
        """Raise ValueError for a component that does more than read the folder."""
        if reasons := component.needs_trust(self._folder):
            raise ValueError(
                f"{component.name} {' and '.join(reasons)}. If you trust {self._folder}, say so"
                " with trust=True, or on the command line by naming the run file in it"
            )


class Value(BaseModel):
    """A frozen value that accepts no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: Any) -> Any:
        """Say which known field was meant, which pydantic's own message does not."""
        if isinstance(data, dict) and (unknown := set(data) - set(cls.model_fields)):
            key = sorted(map(str, unknown))[0]
            raise ValueError(f"unknown key {key!r}{did_you_mean(key, cls.model_fields)}")
        return data

    def replace(self, **changes: Any) -> Self:
        """A copy with other values in some fields, validated like one made by hand."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**given, **changes})


class Component(Value):
    """A thing that a run file can name. `kind` is set by a kind's abstract class."""

    kind: ClassVar[str]
    name: ClassVar[str]

    def needs_trust(self, folder: Path) -> list[str]:
        """What using it would send, fetch, write or run that a judge in `folder` has no need of.

        Each is the end of a sentence that its name begins. A folder from elsewhere is not opened
        if one of its components has a reason here, unless the caller trusts it.
        """
        return []

    @model_validator(mode="wrap")
    @classmethod
    def _admitted(
        cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        component = cls._by_name(value, handler, info)
        if isinstance(info.context, Guarded) and not isinstance(value, Component):
            info.context.admit(component)
        return component

    @classmethod
    def _by_name(
        cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Turn "pointwise" and {"name": "pointwise", ...} into the component they name."""
        options = {"name": value} if isinstance(value, str) else value
        if not isinstance(options, dict) or "name" not in options:
            if isinstance(options, dict) and isabstract(cls):
                raise ValueError(f"no `name`: say which of the {cls.kind} is meant")
            return handler(value)
        if not isinstance(options["name"], str):
            raise ValueError(f"`name` should be a text, not {options['name']!r}")
        rest = {key: option for key, option in options.items() if key != "name"}
        if options["name"] == getattr(cls, "name", None):
            return handler(rest)
        if info.context is None:
            raise ValueError(
                f"{options['name']!r} is a name; outside a run file pass the object itself"
            )
        found = info.context.find(cls.kind, options["name"])
        built = found.model_validate(rest, context=info.context)
        if not isinstance(built, cls):
            raise ValueError(f"{options['name']!r} is no {cls.__name__}")
        return built

    @model_serializer(mode="wrap")
    def _with_name(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        return {"name": self.name, **handler(self)}
