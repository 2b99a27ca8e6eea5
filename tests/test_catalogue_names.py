"""What a name finds, what two plugins may not share, and what is switched off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from installed_plugins import GOOD, Install, hook, installing, record, records

from j1sdk.catalogue import DISABLE, Catalogue, is_disabled
from j1sdk.errors import ConfigError, PluginError
from j1sdk.rankings.round_robin import RoundRobin


@pytest.fixture(autouse=True)
def _all_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DISABLE, raising=False)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    yield from installing(tmp_path, monkeypatch)


class TestFind:
    def test_a_near_miss_is_suggested(self) -> None:
        with pytest.raises(ConfigError, match="no ranking is called 'round-robbin'; did you mean"):
            Catalogue.discover(points=()).find("rankings", "round-robbin")

    def test_what_there_is_is_listed_if_nothing_is_near(self) -> None:
        with pytest.raises(ConfigError, match="no format is called 'xyz'; known: pairwise-scores"):
            Catalogue.discover(points=()).find("formats", "xyz")

    def test_a_kind_with_nothing_on_offer_says_just_that(self) -> None:
        with pytest.raises(ConfigError, match=r"^no ranking is called 'coin'$"):
            Catalogue().find("rankings", "coin")

    def test_a_name_of_another_kind_is_unknown(self) -> None:
        with pytest.raises(ConfigError, match="no format is called 'round-robin'"):
            Catalogue.discover(points=()).find("formats", "round-robin")

    def test_plugins_that_failed_are_mentioned(self, install: Install) -> None:
        install("1 / 0", point="broken-a", distribution="j1-a")
        install("1 / 0", point="broken-b", distribution="j1-b")
        with pytest.raises(
            ConfigError, match=r"failed to load: broken-a, broken-b; see j1 plugins"
        ):
            Catalogue.discover().find("rankings", "coin")


class TestConflicts:
    def test_two_offers_of_one_name_are_refused_by_both_names(self, install: Install) -> None:
        install(GOOD, point="one", distribution="j1-one", version="1.0")
        install(GOOD, point="two", distribution="j1-two", version="2.0")
        found = Catalogue.discover()
        with pytest.raises(PluginError, match=r"'coin' is offered by j1-one 1.0 and j1-two 2.0"):
            found.find("rankings", "coin")
        assert found.conflicts() == ["ranking 'coin' is offered by j1-one 1.0 and j1-two 2.0"]
        assert [one.status for one in records(found, "one", "two")] == ["loaded", "loaded"]

    def test_everything_else_goes_on_working(self, install: Install) -> None:
        install(GOOD, point="one", distribution="j1-one")
        install(GOOD, point="two", distribution="j1-two")
        assert Catalogue.discover().find("rankings", "round-robin") is RoundRobin
        assert Catalogue.discover().names("rankings").count("coin") == 1

    def test_switching_one_off_settles_it(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install(GOOD, point="one", distribution="j1-one")
        install(GOOD, point="two", distribution="j1-two")
        monkeypatch.setenv(DISABLE, "one")
        found = Catalogue.discover()
        assert found.find("rankings", "coin").name == "coin"
        assert not found.conflicts()

    def test_our_own_names_are_not_taken_over(self, install: Install) -> None:
        install(GOOD.replace("coin", "round-robin"))
        with pytest.raises(
            PluginError, match=r"offered by j1sdk [\d.]+ and j1-extra 1.0: uninstall one"
        ):
            Catalogue.discover().find("rankings", "round-robin")

    def test_one_plugin_that_offers_a_name_twice_is_in_conflict_with_itself(
        self, install: Install
    ) -> None:
        install(hook("[Coin, Coin]"))
        with pytest.raises(PluginError, match=r"j1-extra 1.0 and j1-extra 1.0"):
            Catalogue.discover().find("rankings", "coin")

    def test_the_same_name_in_two_kinds_is_no_conflict(self, install: Install) -> None:
        install(GOOD.replace("coin", "pointwise"))
        found = Catalogue.discover()
        assert found.find("rankings", "pointwise") is not found.find("formats", "pointwise")

    def test_of_two_commands_the_first_by_name_is_taken(self, install: Install) -> None:
        source = (
            "import click\nfrom j1sdk import hookimpl\n"
            "@click.command(help='HELP')\ndef toss(): pass\n"
            "@hookimpl\ndef commands(): return [toss]\n"
        )
        install(source.replace("HELP", "second"), point="b", distribution="j1-b")
        install(source.replace("HELP", "first"), point="a", distribution="j1-a")
        assert Catalogue.discover().commands()["toss"].help == "first"


class TestDisabling:
    @pytest.mark.parametrize(
        "value, disabled",
        [
            ("", ()),
            ("a", ("a",)),
            ("a,c", ("a", "c")),
            (" a , b ,", ("a", "b")),
            ("all", ("a", "b", "c")),
            ("c,all", ("a", "b", "c")),
            ("A", ()),
            ("j1-a", ()),
        ],
    )
    def test_the_environment_names_entry_points(
        self,
        install: Install,
        monkeypatch: pytest.MonkeyPatch,
        value: str,
        disabled: tuple[str, ...],
    ) -> None:
        for point in "abc":
            install(GOOD.replace("coin", f"coin-{point}"), point, distribution=f"j1-{point}")
        monkeypatch.setenv(DISABLE, value)
        found = Catalogue.discover()
        off = {one.name for one in records(found, *"abc") if one.status == "disabled"}
        assert off == set(disabled)
        offered = {name for name in found.names("rankings") if name.startswith("coin")}
        assert offered == {f"coin-{point}" for point in "abc" if point not in disabled}

    def test_a_disabled_plugin_is_not_even_imported(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("raise SystemExit('imported')", version="7")
        monkeypatch.setenv(DISABLE, "extra")
        switched_off = record(Catalogue.discover())
        assert (switched_off.status, switched_off.error) == ("disabled", "")
        assert switched_off.provider == "j1-extra 7"

    def test_our_own_components_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(DISABLE, "all,builtins")
        assert Catalogue.discover().find("rankings", "round-robin") is RoundRobin

    def test_without_the_variable_nothing_is_off(self) -> None:
        assert not is_disabled("all")
