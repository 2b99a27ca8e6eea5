"""A judge of j1sdk in verifiers, by the id `j1sdk-verifiers`: as a judge plugin, and as a taskset.

verifiers imports a plugin by a name without dots, and takes the one judge, or the one taskset, in
its `__all__`: that is why this is a distribution of its own. Nothing is imported before it asks:
`j1 --help` is quick.
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["J1Judge", "J1JudgeConfig", "J1Taskset", "J1TasksetConfig"]


def __getattr__(name: str) -> Any:
    """The plugin's classes, made when verifiers asks for them: they derive from its own."""
    if name in __all__:
        return _classes()[name]
    raise AttributeError(name)


@cache
def _classes() -> dict[str, type]:
    return {**_judge(), **_taskset()}


def _judge() -> dict[str, type]:
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


def _taskset() -> dict[str, type]:
    import verifiers.v1 as vf

    from j1sdk_verifiers.export import judging, read_lines

    class Prompt(vf.TaskData):  # type: ignore[misc] # which is not typed
        """What the judge is asked, and what its answer is graded by."""

        label: str

    class PromptConfig(vf.TaskConfig):  # type: ignore[misc] # which is not typed
        """Where the run file is."""

        folder: str = ""

    class Judgment(vf.Task[Prompt, vf.State, PromptConfig]):  # type: ignore[misc] # not typed
        """A rollout of the judge that is trained."""

        @vf.reward  # type: ignore[untyped-decorator] # which is not typed
        async def j1(self, trace: vf.Trace) -> float:
            grade = await judging(self.config.folder).grade(self.data.label, trace)
            trace.record_metrics({f"j1/{name}": value for name, value in grade.terms.items()})
            trace.record_metric("j1/unread", not grade.judgment.ok)
            return grade.reward

    class J1TasksetConfig(vf.TasksetConfig):  # type: ignore[misc] # which is not typed
        """Which export."""

        id: str = "j1sdk-verifiers"
        folder: str = ""

    class J1Taskset(vf.Taskset[Judgment, J1TasksetConfig]):  # type: ignore[misc] # not typed
        """What `j1 export` wrote."""

        def load(self) -> list[Judgment]:
            config = PromptConfig(**{**dict(self.config.task), "folder": self.config.folder})
            return [Judgment(Prompt(**line), config) for line in read_lines(self.config.folder)]

    return {"J1Taskset": J1Taskset, "J1TasksetConfig": J1TasksetConfig}
