from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from j1sdk import Sampling
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


def test_a_name_is_looked_up_in_the_process_s_catalogue_where_no_other_is_given() -> None:
    with pytest.raises(ConfigError, match="no fruit is called 'apple'"):
        Basket(first="apple")


def test_all_problems_are_collected_each_with_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        Basket(first=Apple(), second=1)  # type: ignore[call-arg]
    assert str(caught.value) == "Basket: unknown key 'second'; known: first"
    with pytest.raises(ConfigError) as caught:
        Sampling(temperature=-1, top_p=2, stop="x")
    assert str(caught.value).split("\n") == [
        "Sampling:",
        "  temperature: Input should be greater than or equal to 0",
        "  top_p: Input should be less than or equal to 1",
        "  stop: Input should be a list",
    ]


def test_a_copy_is_validated_and_the_original_stays() -> None:
    apple = Apple()
    assert apple.replace(ripe=True) == Apple(ripe=True) and not apple.ripe
    assert apple.replace() == apple
    with pytest.raises(ConfigError, match="Apple: ripe: Input should be a valid boolean"):
        apple.replace(ripe="perhaps")
    with pytest.raises(ConfigError, match="did you mean 'ripe'"):
        apple.replace(rip=True)


def test_a_class_in_place_of_an_object_is_named() -> None:
    with pytest.raises(ConfigError, match=r"first: Apple is a class: write Apple\(\)"):
        Basket(first=Apple)


def test_options_cannot_change_after_building() -> None:
    with pytest.raises(ConfigError, match=r"Apple is frozen: .*\.replace\(ripe=True\)"):
        Apple().ripe = True  # type: ignore[misc]


def test_a_misspelt_option_is_refused_in_python_too() -> None:
    with pytest.raises(ConfigError, match="did you mean 'ripe'"):
        Apple(rip=True)  # type: ignore[call-arg]
