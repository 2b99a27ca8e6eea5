"""What this distribution offers."""

from __future__ import annotations

from j1sdk import hookimpl


@hookimpl
def adapters() -> dict[str, str]:
    return {"verifiers": "j1sdk_verifiers.adapter:Verifiers"}


@hookimpl
def exports() -> dict[str, str]:
    return {"verifiers": "j1sdk_verifiers.export:Verifiers"}
