from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from j1sdk.component import Component, Value
from j1sdk.errors import ConfigError, did_you_mean


class Fruit(Component):
    kind = "fruits"


class Apple(Fruit):
    name = "apple"
    ripe: bool = False


class Pear(Fruit):
    name = "pear"


class Stone(Component):
    kind = "stones"
    name = "stone"


class Basket(Value):
    first: Fruit


class Shelf:
    """Everything there is, of whatever kind."""

    known: dict[str, type[Component]] = {"apple": Apple, "pear": Pear, "stone": Stone}

    def find(self, kind: str, name: str) -> type[Component]:
        if name not in self.known:
            raise ConfigError(f"no {kind} named {name!r}{did_you_mean(name, self.known)}")
        return self.known[name]


def basket(first: Any) -> Basket:
    return Basket.model_validate({"first": first}, context=Shelf())


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        (Apple(ripe=True), Apple(ripe=True)),
        ("apple", Apple()),
        ("pear", Pear()),
        ({"name": "apple", "ripe": True}, Apple(ripe=True)),
    ],
)
def test_a_component_is_asked_for_by_object_name_or_table(asked: Any, got: Fruit) -> None:
    assert basket(asked).first == got


def test_the_dump_of_a_component_asks_for_it_again() -> None:
    dumped = basket(Apple(ripe=True)).model_dump()
    assert dumped == {"first": {"name": "apple", "ripe": True}}
    assert basket(dumped["first"]) == basket(Apple(ripe=True))


@pytest.mark.parametrize("asked", ["apple", {"name": "apple", "ripe": True}])
def test_its_own_class_needs_no_catalogue(asked: Any) -> None:
    assert isinstance(Apple.model_validate(asked), Apple)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ("aple", "did you mean 'apple'"),
        ("stone", "'stone' is no Fruit"),
        ({"name": "apple", "rip": True}, "unknown key 'rip'; did you mean 'ripe'"),
        ({"name": "apple", "ripe": "perhaps"}, "ripe"),
        (Stone(), "Fruit"),
    ],
)
def test_what_is_not_there_is_refused_by_name(asked: Any, complaint: str) -> None:
    with pytest.raises((ValidationError, ConfigError), match=complaint):
        basket(asked)


def test_a_name_without_a_catalogue_is_refused() -> None:
    with pytest.raises(ValidationError, match="outside a run file pass the object itself"):
        Basket.model_validate({"first": "apple"})


def test_options_cannot_change_after_building() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Apple().ripe = True  # type: ignore[misc]


def test_a_misspelt_option_is_refused_in_python_too() -> None:
    with pytest.raises(ValidationError, match="did you mean 'ripe'"):
        Apple(rip=True)  # type: ignore[call-arg]
