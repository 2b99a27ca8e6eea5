"""The plugin host: finds plugins, survives the broken ones, and looks components up by name.

`host()` is the process's catalogue, filled from the entry points of group `j1sdk` when first
asked for. Tests make their own: `Host.of(my_plugin)`.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import pluggy
from pydantic import Field

from j1sdk import hookspecs
from j1sdk.component import Component, Value
from j1sdk.errors import ConfigError, PluginError, did_you_mean

GROUP = "j1sdk"
DISABLE = "J1SDK_DISABLE_PLUGINS"
"""Environment variable: `all`, or entry-point names separated by commas."""
KINDS = (
    "formats", "engines", "rewards", "scalings", "rankings", "sources", "builders",
    "benchmarks", "trainers",
)  # fmt: skip


class PluginRecord(Value):
    """What became of one plugin."""

    name: str
    distribution: str = ""
    version: str = ""
    status: str = "loaded"
    """`loaded`, `disabled` or `failed`."""
    error: str = ""
    offers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Names by kind."""

    @property
    def provider(self) -> str:
        return f"{self.distribution} {self.version}".strip() or self.name


class Offer(NamedTuple):
    """A component and who offers it."""

    item: Any
    provider: str


class Host:
    """Plugins and what they offer."""

    def __init__(self) -> None:
        self.records: list[PluginRecord] = []
        self._offers: dict[tuple[str, str], list[Offer]] = {}

    @classmethod
    def of(cls, *plugins: object) -> Host:
        """A host of just these plugins; raises PluginError if one is broken."""
        host = cls()
        for plugin in plugins:
            record = PluginRecord(name=getattr(plugin, "__name__", type(plugin).__name__))
            host._take(plugin, record)
        return host

    @classmethod
    def discover(cls, points: Iterable[EntryPoint] | None = None) -> Host:
        """Our own plugin and every installed one. A broken plugin is a record, not an error."""
        from j1sdk import builtins

        host = cls.of()
        host._take(builtins, PluginRecord(name="builtins", distribution="j1sdk"))
        points = entry_points(group=GROUP) if points is None else points
        for point in sorted(points, key=lambda point: (point.name, point.value)):
            host._load(point)
        return host

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
                f"{self._failures()}"
            )
        found: type[Component] = offers[0].item
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
        return {name: self._offers["commands", name][0].item for name in self.names("commands")}

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
        if is_disabled(point.name):
            self.records.append(record.model_copy(update={"status": "disabled"}))
            return
        try:
            self._take(point.load(), record)
        except (Exception, SystemExit) as error:  # strangers' code may raise anything on import
            text = "".join(traceback.format_exception_only(error)).strip()
            self.records.append(record.model_copy(update={"status": "failed", "error": text}))

    def _take(self, plugin: object, record: PluginRecord) -> None:
        """Register a plugin's offers, all or none; raises PluginError."""
        found = list(_offered(plugin))
        for kind, item in found:
            offer = Offer(item, record.provider)
            self._offers.setdefault((kind, item.name), []).append(offer)
        kinds = dict.fromkeys(kind for kind, _ in found)
        offers = {kind: tuple(item.name for k, item in found if k == kind) for kind in kinds}
        self.records.append(record.model_copy(update={"offers": offers}))


def _offered(plugin: object) -> Iterator[tuple[str, Any]]:
    """(kind, class or command) of everything a plugin's hooks return; raises PluginError."""
    for kind, implementation in _hooks(plugin):
        items = implementation()
        if not isinstance(items, (list, tuple)):
            raise PluginError(f"hook {kind!r} must return a list, not {type(items).__name__}")
        for item in items:
            _check(kind, item)
            yield kind, item


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
    is_component = isinstance(item, type) and issubclass(item, Component)
    if not is_component or getattr(item, "kind", None) != kind:
        raise PluginError(f"hook {kind!r} offers {item!r}, which is no class of kind {kind!r}")
    if not isinstance(getattr(item, "name", None), str):
        raise PluginError(f"{item.__name__} has no `name`")
    if missing := sorted(getattr(item, "__abstractmethods__", ())):
        raise PluginError(f"{item.__name__} lacks {', '.join(missing)}")


def is_disabled(name: str) -> bool:
    """Whether the environment switches this plugin off."""
    off = {word.strip() for word in os.environ.get(DISABLE, "").split(",")}
    return bool(off & {"all", name})


@cache
def host() -> Host:
    """The process's catalogue."""
    return Host.discover()
