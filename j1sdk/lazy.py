"""Names that a room's front offers without loading the files that define them.

A front says where such a name is in the imports that type checkers and editors read:

    if TYPE_CHECKING:
        from j1sdk.engines.vllm import VLLM

    __all__ = ["VLLM"]
    __getattr__ = lazy(__name__)

and each is imported when somebody first asks the front for it (PEP 562).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any


def lazy(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module: imports what is in its `__all__`, when it is asked for."""

    def get(name: str) -> Any:
        home = _homes(module).get(name) if name in sys.modules[module].__all__ else None
        if home is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = getattr(import_module(home), name)
        setattr(sys.modules[module], name, value)
        return value

    return get


@cache
def _homes(module: str) -> dict[str, str]:
    """The module that defines each name, as the front's own source says."""
    import ast  # only once a name is asked for: `import j1sdk` alone needs none of it

    loader: Any = getattr(sys.modules[module], "__spec__").loader  # noqa: B009
    tree = ast.parse(loader.get_source(module))
    imports = [
        line
        for node in tree.body
        if isinstance(node, ast.If)
        if ast.unparse(node.test) == "TYPE_CHECKING"
        for line in node.body
    ]
    return {name: home for line in imports for name, home in _imported(line)}


def _imported(line: Any) -> Iterator[tuple[str, str]]:
    for alias in getattr(line, "names", ()):
        if module := getattr(line, "module", None):
            yield alias.name, module
