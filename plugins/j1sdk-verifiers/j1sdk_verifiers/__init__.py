"""A judge of j1sdk as a judge plugin of verifiers: `judges = [{ id = "j1sdk-verifiers", ... }]`.

verifiers imports a plugin by a name without dots, and takes the one judge in its `__all__`: that is
why this is a distribution of its own. Nothing is imported before it asks: `j1 --help` is quick.
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["J1Judge", "J1JudgeConfig"]


def __getattr__(name: str) -> Any:
    """The plugin's classes, made when verifiers asks for them: they derive from its own."""
    if name in __all__:
        return _classes()[name]
    raise AttributeError(name)


@cache
def _classes() -> dict[str, type]:
    from verifiers.v1.configs.judge import JudgeConfig
    from verifiers.v1.judge import Judge

    from j1sdk.adapters.connection import open_connection
    from j1sdk_verifiers.adapter import Verifiers, scored

    class J1JudgeConfig(JudgeConfig):  # type: ignore[misc] # which is not typed
        """Which connection, and as what its score is logged."""

        id: str = "j1sdk-verifiers"
        connection: str = ""

    class J1Judge(Judge[float, J1JudgeConfig]):  # type: ignore[misc] # which is not typed
        """Scores rollouts by a judge of j1sdk."""

        async def score(self, task: Any, trace: Any) -> float:
            connection = open_connection(Verifiers, self.config.connection)
            assert isinstance(connection.adapter, Verifiers)
            return await scored(connection.adapter, connection.scorer, task, trace)

    return {"J1Judge": J1Judge, "J1JudgeConfig": J1JudgeConfig}
