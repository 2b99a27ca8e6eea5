"""What this distribution offers."""

from __future__ import annotations

from j1sdk import hookimpl


@hookimpl
def exports() -> dict[str, str]:
    return {"verl": "j1sdk_verl.export:Verl"}
