"""The catalogue: which plugins are installed, and the component class behind a name.

A plugin offers component classes, or `"module:Class"` for each name, which is imported when
somebody first asks for it. `catalogue()` is the process's own, filled from the entry points of
group `j1sdk`; our own components are one of them (`j1sdk.builtins`). Tests make their own:
`Catalogue.of(my_plugin)`.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from j1sdk import hookspecs
from j1sdk.builtins import IN_PLUGINS
from j1sdk.errors import ConfigError, PluginError, did_you_mean

if TYPE_CHECKING:
    import click

    from j1sdk.component import Component

GROUP = "j1sdk"
DISABLE = "J1SDK_DISABLE_PLUGINS"
"""Environment variable: `all`, or entry-point names separated by commas."""
OURS = EntryPoint(name="builtins", value="j1sdk.builtins", group=GROUP)
"""Our own plugin, where the metadata of an installation does not name it (a bare checkout)."""
KINDS = (
    "formats",
    "engines",
    "rewards",
    "scalings",
    "rankings",
    "sources",
    "builders",
    "benchmarks",
    "trainers",
    "adapters",
    "exports",
    "dialects",
)


class PluginRecord(NamedTuple):
    """What became of one plugin."""

    name: str
    distribution: str = ""
    version: str = ""
    status: str = "loaded"
    """`loaded`, `disabled` or `failed`."""
    error: str = ""
    offers: Mapping[str, tuple[str, ...]] = {}
    """Names by kind."""

    @property
    def provider(self) -> str:
        return f"{self.distribution} {self.version}".strip() or self.name


class Offer(NamedTuple):
    """A component or command, and who offers it."""

    item: Any
    """The class or command itself, or `"module:attribute"`."""
    provider: str
    summary: str = ""
    """Of a command: its line in `j1 --help`."""

    def load(self, kind: str, name: str) -> Any:
        """The class or command; raises PluginError where its module has none of that name."""
        if not isinstance(self.item, str):
            return self.item
        module, _, attribute = self.item.partition(":")
        try:
            item = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{self.provider} offers {name!r} as {self.item}: {error}") from error
        _check(kind, item)
        if item.name != name:
            raise PluginError(f"{self.provider} offers {name!r}, but {self.item} is {item.name!r}")
        return item


class Catalogue:
    """Plugins and what they offer."""

    def __init__(self) -> None:
        self.records: list[PluginRecord] = []
        self._offers: dict[tuple[str, str], list[Offer]] = {}

    @classmethod
    def of(cls, *plugins: object) -> Catalogue:
        """A catalogue of just these plugins; raises PluginError if one is broken."""
        found = cls()
        for plugin in plugins:
            record = PluginRecord(name=getattr(plugin, "__name__", type(plugin).__name__))
            found._take(plugin, record)
        return found

    @classmethod
    def discover(cls, points: Iterable[EntryPoint] | None = None) -> Catalogue:
        """Every installed plugin, ours first. A broken plugin is a record, not an error."""
        installed = entry_points(group=GROUP)
        ours = [point for point in installed if _is_ours(point)] or [OURS]
        theirs = [point for point in installed if not _is_ours(point)] if points is None else points
        found = cls()
        for point in (*ours, *sorted(theirs, key=lambda point: (point.name, point.value))):
            found._load(point)
        return found

    def find(self, kind: str, name: str) -> type[Component]:
        """The component class of this name; raises ConfigError or PluginError."""
        offers = self._offers.get((kind, name), [])
        if len(offers) > 1:
            providers = " and ".join(offer.provider for offer in offers)
            raise PluginError(
                f"{kind[:-1]} {name!r} is offered by {providers}: uninstall one, or switch one off"
                f" with {DISABLE}"
            )
        if not offers:
            raise ConfigError(
                f"no {kind[:-1]} is called {name!r}{did_you_mean(name, self.names(kind))}"
                f"{where_to_get(kind, name)}{self._failures()}"
            )
        found: type[Component] = offers[0].load(kind, name)
        return found

    def conflicts(self) -> list[str]:
        """The names that are offered twice, and by whom."""
        return [
            f"{kind[:-1]} {name!r} is offered by {' and '.join(o.provider for o in offers)}"
            for (kind, name), offers in self._offers.items()
            if len(offers) > 1
        ]

    def names(self, kind: str) -> list[str]:
        """What is on offer of one kind."""
        return sorted(name for offered, name in self._offers if offered == kind)

    def commands(self) -> dict[str, Any]:
        """The click commands plugins add, by name; of two with one name the first."""
        return {name: self.command(name) for name in self.names("commands")}

    def command(self, name: str) -> Any:
        """The click command of this name, or None; of two the first."""
        offers = self._offers.get(("commands", name))
        return offers[0].load("commands", name) if offers else None

    def summary(self, name: str) -> str:
        """A command's line of help; its module is imported only if its plugin gives none."""
        offer = self._offers[("commands", name)][0]
        return offer.summary or sentence(offer.load("commands", name))

    def _failures(self) -> str:
        failed = [record.name for record in self.records if record.status == "failed"]
        return f" (failed to load: {', '.join(failed)}; see j1 plugins)" if failed else ""

    def _load(self, point: EntryPoint) -> None:
        """Load an entry point, whatever it does."""
        record = PluginRecord(
            name=point.name,
            distribution=point.dist.name if point.dist else "",
            version=point.dist.version if point.dist else "",
        )
        if is_disabled(point.name) and not _is_ours(point):
            self.records.append(record._replace(status="disabled"))
            return
        try:
            self._take(point.load(), record)
        # a stranger's code may raise anything on import
        except (Exception, SystemExit) as error:  # noqa: BLE001
            text = "".join(traceback.format_exception_only(error)).strip()
            self.records.append(record._replace(status="failed", error=text))

    def _take(self, plugin: object, record: PluginRecord) -> None:
        """Register a plugin's offers, all or none; raises PluginError."""
        names: dict[str, list[str]] = {}
        for kind, name, item in list(_offered(plugin)):
            place, summary = item if isinstance(item, tuple) else (item, "")
            offer = Offer(place, record.provider, summary)
            self._offers.setdefault((kind, name), []).append(offer)
            names.setdefault(kind, []).append(name)
        offers = {kind: tuple(offered) for kind, offered in names.items()}
        self.records.append(record._replace(offers=offers))


def sentence(command: click.Command) -> str:
    """The first sentence of a command's help, which click by itself cuts at 45 characters."""
    return command.get_short_help_str(limit=1000)


def _offered(plugin: object) -> Iterator[tuple[str, str, Any]]:
    """(kind, name, class or command or where it is) of a plugin's hooks; raises PluginError."""
    for kind, implementation in _hooks(plugin):
        items = implementation()
        if isinstance(items, Mapping) and all(map(_is_place, items.values())):
            yield from ((kind, name, place) for name, place in items.items())
            continue
        if not isinstance(items, (list, tuple)):
            raise PluginError(
                f"hook {kind!r} must return a list of classes, or a mapping of names to"
                f" 'module:Class', not {type(items).__name__}"
            )
        for item in items:
            _check(kind, item)
            yield kind, item.name, item


def _is_place(item: object) -> bool:
    """Whether it is `"module:attribute"`, perhaps with a line of help."""
    return all(isinstance(part, str) for part in (item if isinstance(item, tuple) else (item,)))


def _hooks(plugin: object) -> list[tuple[str, Any]]:
    """A plugin's hook implementations, after pluggy has checked their names and arguments."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{error}{_misspelt(str(error))}") from error
    callers = manager.get_hookcallers(plugin) or []
    return [(caller.name, impl.function) for caller in callers for impl in caller.get_hookimpls()]


def _misspelt(message: str) -> str:
    words = message.split("'")
    return did_you_mean(words[1], (*KINDS, "commands")) if "unknown hook" in message else ""


def _check(kind: str, item: Any) -> None:
    if kind == "commands":
        import click

        if not isinstance(item, click.Command):
            raise PluginError(f"hook 'commands' offers {item!r}, which is no click command")
        return
    if not isinstance(item, type) or getattr(item, "kind", None) != kind:
        raise PluginError(f"hook {kind!r} offers {item!r}, which is no class of kind {kind!r}")
    if not isinstance(getattr(item, "name", None), str):
        raise PluginError(f"{item.__name__} has no `name`")
    if missing := sorted(getattr(item, "__abstractmethods__", ())):
        raise PluginError(f"{item.__name__} lacks {', '.join(missing)}")


def is_disabled(name: str) -> bool:
    """Whether the environment switches this plugin off; our own components stay."""
    off = {word.strip() for word in os.environ.get(DISABLE, "").split(",")}
    return bool(off & {"all", name})


def _is_ours(point: EntryPoint) -> bool:
    return point is OURS or (point.dist is not None and point.dist.name == "j1sdk")


def where_to_get(kind: str, name: str) -> str:
    """What to install for a name of a plugin of ours that is not installed."""
    for distribution, offers in IN_PLUGINS.items():
        if name in offers.get(kind, ()):
            return f"; {distribution} has it: pip install {distribution}"
    return ""


@cache
def catalogue() -> Catalogue:
    """The process's catalogue."""
    return Catalogue.discover()
