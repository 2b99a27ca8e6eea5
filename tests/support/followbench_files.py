"""FollowBench's own files, and a checker that is down."""

from __future__ import annotations

from benchmark_results import SHARED

from j1sdk import (
    EngineError,
)

PUBLISHED = SHARED / "FollowBench" / "data"
DOWN = EngineError("the server is down")
