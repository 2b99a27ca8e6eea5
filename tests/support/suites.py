"""Contract suites of components, run check by check."""

from __future__ import annotations

from j1sdk.testing import (
    ComponentContract,
)


def suite(contract: type[ComponentContract], component: object) -> ComponentContract:
    made: ComponentContract = type("Suite", (contract,), {"component": component})()
    return made


def checks(contract: type[ComponentContract]) -> set[str]:
    return {name for name in dir(contract) if name.startswith("test_")}
