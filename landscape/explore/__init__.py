"""Results in, one offline page out: ``python -m landscape.explore RESULTS...``."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Found": "landscape.explore.found",
    "write_explorer": "landscape.explore.page",
}

__all__ = ["Found", "write_explorer"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape.explore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
