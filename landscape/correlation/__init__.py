"""Learned compatibility scores against gradient cosine: ``python -m landscape.correlation RUN``."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Association": "landscape.correlation.association",
    "DomainPair": "landscape.correlation.samples",
    "GroupScores": "landscape.correlation.samples",
    "Estimate": "landscape.correlation.rank",
    "Place": "landscape.correlation.identifiability",
    "Untrained": "landscape.correlation.identifiability",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape.correlation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
