"""How flat a minimum is: ``python -m landscape.flatness RUN ...``."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Curvature": "landscape.flatness.spectrum",
    "CurvaturePath": "landscape.flatness.path",
    "Flatness": "landscape.flatness.comparison",
    "FlatnessCurve": "landscape.flatness.curve",
}

__all__ = ["Curvature", "CurvaturePath", "Flatness", "FlatnessCurve"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape.flatness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
