"""The loss surface on a plane of weight space: ``python -m landscape.surface A B C``."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Plane": "landscape.surface.plane",
    "Profile": "landscape.surface.profile",
    "Trajectory": "landscape.surface.trajectory",
    "Surface": "landscape.surface.surface",
    "Setting": "landscape.surface.setting",
}

__all__ = ["Plane", "Profile", "Setting", "Surface", "Trajectory"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape.surface' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
