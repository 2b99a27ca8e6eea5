"""The plugin host, on distributions that are really there: a module, metadata, entry points."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from installed_plugins import COIN, GOOD, Install, hook, installing, record, records

from j1sdk import PairwiseVerdict, Ranking, builtins, hookimpl, hookspecs
from j1sdk.builtins import IN_PLUGINS
from j1sdk.catalogue import DISABLE, KINDS, Catalogue, PluginRecord, catalogue
from j1sdk.component import Component
from j1sdk.errors import ConfigError, PluginError
from j1sdk.rankings import JudgePairs
from j1sdk.rankings.round_robin import RoundRobin


@pytest.fixture(autouse=True)
def _all_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DISABLE, raising=False)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    yield from installing(tmp_path, monkeypatch)


class TestDiscovery:
    def test_an_installed_plugin_is_found_with_its_version_and_offers(
        self, install: Install
    ) -> None:
        install(GOOD, distribution="j1-coin", version="2.3")
        found = Catalogue.discover()
        assert record(found) == PluginRecord(
            name="extra",
            distribution="j1-coin",
            version="2.3",
            offers={"rankings": ("coin",)},
        )
        assert found.find("rankings", "coin").__name__ == "Coin"

    def test_our_own_components_come_in_through_the_same_hooks(self) -> None:
        found = Catalogue.discover(points=())
        assert [record.name for record in found.records] == ["builtins"]
        assert record(found, "builtins").distribution == "j1sdk"
        assert found.find("rankings", "round-robin") is RoundRobin
        for kind in KINDS:
            offers: dict[str, str] = getattr(builtins, kind, dict)()
            assert found.names(kind) == sorted(offers)
            assert all(found.find(kind, name).name == name for name in offers)
        assert sorted(found.commands()) == sorted(builtins.commands())

    def test_what_a_name_stands_for_is_imported_when_it_is_asked_for(
        self, install: Install
    ) -> None:
        install(
            "from j1sdk import hookimpl\n@hookimpl\ndef rankings(): return {'coin': 'no_such:Coin'}"
        )
        found = Catalogue.discover()
        assert record(found).offers == {"rankings": ("coin",)}
        with pytest.raises(PluginError, match=r"j1-extra 1.0 offers 'coin' as no_such:Coin"):
            found.find("rankings", "coin")

    def test_a_name_that_stands_for_another_is_refused(self, install: Install) -> None:
        place = "{'coin': 'j1sdk.rankings.round_robin:RoundRobin'}"
        install(f"from j1sdk import hookimpl\n@hookimpl\ndef rankings(): return {place}")
        with pytest.raises(PluginError, match=r"offers 'coin', but .* is 'round-robin'"):
            Catalogue.discover().find("rankings", "coin")

    def test_a_name_of_a_plugin_that_is_not_installed_says_what_to_install(self) -> None:
        with pytest.raises(ConfigError, match="pip install j1sdk-quickstart"):
            Catalogue.of(builtins).find("sources", "arithmetic")

    def test_every_plugin_of_this_project_is_known_by_what_it_offers(self) -> None:
        installed = {one.distribution: one for one in Catalogue.discover().records}
        offers: dict[str, dict[str, set[str]]] = {name: {} for name in IN_PLUGINS}
        for one in Catalogue.discover().records:
            for kind, names in one.offers.items():
                if one.distribution in offers:
                    offers[one.distribution].setdefault(kind, set()).update(names)
        assert installed.keys() >= IN_PLUGINS.keys()
        assert offers == {
            distribution: {kind: set(names) for kind, names in kinds.items()}
            for distribution, kinds in IN_PLUGINS.items()
        }

    def test_every_hook_is_a_kind_the_host_knows_and_we_use(self) -> None:
        declared = {
            name for name in vars(hookspecs) if hasattr(vars(hookspecs)[name], "j1sdk_spec")
        }
        assert declared == {*KINDS, "commands"}
        used = {name for name in declared if hasattr(builtins, name)}
        used |= {kind for offers in IN_PLUGINS.values() for kind in offers}
        assert used == declared

    def test_points_are_loaded_by_name_whatever_the_path(self, install: Install) -> None:
        install(GOOD, point="b", distribution="one")
        install(GOOD.replace("coin", "penny"), point="a", distribution="two")
        names = [one.name for one in Catalogue.discover().records if one.name in "ab"]
        assert names == ["a", "b"]

    def test_one_entry_point_name_in_two_distributions_is_loaded_twice(
        self, install: Install
    ) -> None:
        install(GOOD, distribution="j1-one")
        install(GOOD.replace("coin", "penny"), distribution="j1-two")
        found = Catalogue.discover()
        assert {one.distribution for one in records(found, "extra")} == {"j1-one", "j1-two"}
        assert {"coin", "penny"} <= set(found.names("rankings"))

    def test_the_process_has_one_catalogue(self) -> None:
        assert catalogue() is catalogue()
        assert catalogue().find("formats", "pairwise-verdict") is PairwiseVerdict

    def test_plugins_offer_subcommands(self, install: Install) -> None:
        install(
            "import click\nfrom j1sdk import hookimpl\n"
            "@click.command()\ndef toss(): pass\n"
            "@hookimpl\ndef commands(): return [toss]\n"
        )
        found = Catalogue.discover()
        assert isinstance(found.commands()["toss"], click.Command)
        assert record(found).offers == {"commands": ("toss",)}


BROKEN = {
    "missing import": ("import no_such_package", "No module named 'no_such_package'"),
    "syntax": ("1 +", "SyntaxError"),
    "exit on import": ("raise SystemExit('goodbye')", "SystemExit: goodbye"),
    "exception on import": ("1 / 0", "ZeroDivisionError"),
    "misspelt hook": (
        f"{COIN}\n@hookimpl\ndef ranking(): return [Coin]\n",
        "unknown hook 'ranking'.*did you mean 'rankings'",
    ),
    "misspelt hook for commands": (
        "from j1sdk import hookimpl\n@hookimpl\ndef command(): return []\n",
        "did you mean 'commands'",
    ),
    "hook of another world": (
        "from j1sdk import hookimpl\n@hookimpl\ndef pytest_configure(): return []\n",
        "unknown hook 'pytest_configure'.*known: .*commands, .*trainers",
    ),
    "hook with arguments": (
        f"{COIN}\n@hookimpl\ndef rankings(config): return [Coin]\n",
        r"hook 'rankings'(.|\n)*Argument\(s\) \{'config'\}",
    ),
    "hook raises": (hook("[Coin, Penny]"), "NameError: name 'Penny'"),
    "hook exits": (hook("exit('no more')"), "SystemExit: no more"),
    "hook returns nothing": (
        hook("None"),
        "hook 'rankings' must return a list of classes, or .*, not NoneType",
    ),
    "hook returns a class": (
        hook("Coin"),
        "must return a list of classes.*, not ModelMeta",
    ),
    "hook returns a text": (hook("'coin'"), "must return a list of classes, or .*, not str"),
    "hook returns a mapping": (
        hook("{'coin': Coin}"),
        "or a mapping of names to 'module:Class', not dict",
    ),
    "hook yields": (
        hook("(one for one in [Coin])"),
        "must return a list of classes, or .*, not generator",
    ),
    "an object, not a class": (hook("[Coin()]"), "offers Coin.*, which is no class of kind"),
    "a stranger": (hook("[int]"), "offers <class 'int'>, which is no class of kind 'rankings'"),
    "a component of no kind": (
        hook("[__import__('j1sdk.component').component.Component]"),
        "which is no class of kind 'rankings'",
    ),
    "another kind": (
        hook("[__import__('j1sdk').Pointwise]"),
        "Pointwise.*which is no class of kind 'rankings'",
    ),
    "no name": (
        GOOD.replace('name = "coin"', '"""No name."""'),
        "Coin has no `name`",
    ),
    "a name that is no text": (GOOD.replace('"coin"', "5"), "Coin has no `name`"),
    "missing method": (GOOD.replace("rank(", "order("), "Coin lacks rank"),
    "a command that is a function": (
        "from j1sdk import hookimpl\n@hookimpl\ndef commands(): return [print]\n",
        "offers <built-in function print>, which is no click command",
    ),
}


class TestIsolation:
    @pytest.mark.parametrize("source, reason", BROKEN.values(), ids=BROKEN)
    def test_a_broken_plugin_is_a_record_and_takes_nothing_down(
        self, install: Install, source: str, reason: str
    ) -> None:
        install(source, point="broken", distribution="j1-broken", version="0.1")
        install(GOOD)
        found = Catalogue.discover()
        failed = record(found, "broken")
        assert (failed.status, failed.provider) == ("failed", "j1-broken 0.1")
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(failed.error)
        assert not failed.offers
        assert record(found).status == "loaded"
        assert found.find("rankings", "round-robin") is RoundRobin

    def test_a_plugin_is_registered_as_a_whole_or_not_at_all(self, install: Install) -> None:
        install(hook("[Coin, int]"))
        found = Catalogue.discover()
        assert record(found).status == "failed"
        assert "coin" not in found.names("rankings")

    def test_a_module_that_is_not_there_is_a_record(self, install: Install) -> None:
        folder = install(GOOD)
        (module,) = folder.glob("*.py")
        module.unlink()
        assert "ModuleNotFoundError" in record(Catalogue.discover()).error

    def test_an_interrupt_is_no_broken_plugin(self, install: Install) -> None:
        install("raise KeyboardInterrupt")
        with pytest.raises(KeyboardInterrupt):
            Catalogue.discover()

    def test_the_error_is_a_line_and_no_traceback(self, install: Install) -> None:
        install("raise RuntimeError('worn out')")
        assert record(Catalogue.discover()).error == "RuntimeError: worn out"


class Fixed(Ranking):
    name = "fixed"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        return (1.0,) * count


def offering(*items: object) -> SimpleNamespace:
    @hookimpl
    def rankings() -> list[object]:
        return list(items)

    return SimpleNamespace(rankings=rankings)


class TestHostOfPlugins:
    def test_it_knows_these_plugins_and_no_others(self, install: Install) -> None:
        install(GOOD)
        found = Catalogue.of(offering(Fixed))
        assert found.find("rankings", "fixed") is Fixed
        assert found.names("rankings") == ["fixed"]
        assert not found.names("formats")

    def test_a_module_is_known_by_its_name_and_an_object_by_its_class(self) -> None:
        found = Catalogue.of(builtins, offering(Fixed))
        assert [one.name for one in found.records] == ["j1sdk.builtins", "SimpleNamespace"]
        assert found.records[0].provider == "j1sdk.builtins"

    def test_a_class_with_hooks_as_methods_will_do(self) -> None:
        class Plugin:
            @hookimpl
            def rankings(self) -> list[type[Component]]:
                return [Fixed]

        assert Catalogue.of(Plugin()).find("rankings", "fixed") is Fixed

    @pytest.mark.parametrize("item", [int, Fixed(), PairwiseVerdict, Ranking, Component, None])
    def test_a_broken_plugin_is_an_error(self, item: object) -> None:
        with pytest.raises(PluginError):
            Catalogue.of(offering(item))

    def test_a_plugin_without_hooks_offers_nothing(self) -> None:
        found = Catalogue.of(SimpleNamespace(rankings=lambda: [Fixed]))
        assert not found.names("rankings")
        assert found.records[0].offers == {}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugins of this repository, built and installed into a folder of their own."""
    plugins = sorted((Path(__file__).parents[1] / "plugins").glob("*/pyproject.toml"))
    target, copies = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("plugins")
    unshipped = shutil.ignore_patterns("*.egg-info", "__pycache__", "build", "test_*")
    for described in plugins:
        shutil.copytree(described.parent, copies / described.parent.name, ignore=unshipped)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-index", "--no-build-isolation", "--target", target),
            *sorted(copies.iterdir()),
        ],
        check=True,
    )
    return target


def test_the_shipped_plugins_install_and_are_found(
    shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(shipped)
    found = Catalogue.discover()
    shipped_by = {"spct": "spct", "budget-forcing": "budget-forcing", "rm-r1": "family"}
    for name, plugin in shipped_by.items():
        (one,) = records(found, plugin)
        assert (one.status, one.distribution) == ("loaded", f"j1sdk-{plugin}")
        assert found.find("formats", name).name == name
