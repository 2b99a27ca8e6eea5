"""A judge on several servers (`replicas`), or on a Ray cluster (`ray`).

from j1sdk_cluster import Ray, Replicas
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j1sdk.hookspecs import hookimpl
from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk_cluster.ray import Ray
    from j1sdk_cluster.replicas import Replicas

__all__ = ["Ray", "Replicas"]
__getattr__ = lazy(__name__)


@hookimpl
def engines() -> dict[str, str]:
    return {"ray": "j1sdk_cluster.ray:Ray", "replicas": "j1sdk_cluster.replicas:Replicas"}
