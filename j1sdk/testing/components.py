"""What must hold for a component of any kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from j1sdk.component import Component
from j1sdk.testing.judges import isolated_catalogue

RUDE = (
    *("", " \n", "\0", "{}", "%s", "nan", "½", "\uff17", "-1", "1000", "9" * 5000, "A", "A B"),
    *("<", "</", "</think>", "<think>" * 9, "[[", "[[A]] [[B]]", "\\boxed{}", "\\boxed{1, 2"),
)
"""Texts that a careless reader breaks on."""


class ComponentContract:
    """What holds for every kind."""

    component: Component
    abstract: ClassVar[type[Component]]

    def test_can_be_named_in_a_run_file(self) -> None:
        part = self.component
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", part.name), f"name {part.name!r}"
        described = part.model_dump(mode="json")
        again = self.abstract.model_validate(described, context=isolated_catalogue(*_classes(part)))
        assert type(again) is type(part), f"a run file makes {type(again).__name__} of it"
        for option, field in type(part).model_fields.items():
            same = field.exclude or _same(getattr(again, option), getattr(part, option))
            assert same, f"a run file loses option {option!r}"


def _same(again: object, meant: object) -> bool:
    """Equal, but for what a run file leaves out on purpose."""
    if not isinstance(meant, Component):
        return again == meant
    options = [name for name, field in type(meant).model_fields.items() if not field.exclude]
    same = all(_same(getattr(again, name, None), getattr(meant, name)) for name in options)
    return type(again) is type(meant) and same


def _classes(part: Component) -> Iterator[type[Component]]:
    """Its class and those of the components among its options."""
    yield type(part)
    for _, option in part:
        if isinstance(option, Component):
            yield from _classes(option)
