"""`j1 view`: runs in a browser, also while they are going on."""

from __future__ import annotations

from j1sdk.hookspecs import hookimpl


@hookimpl
def commands() -> dict[str, tuple[str, str]]:
    return {
        "view": (
            "j1sdk_view.command:view",
            "Look at the runs below a folder in a browser, also while they are going on.",
        )
    }
