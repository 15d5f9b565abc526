"""landscape: why does a model generalise to domains it has not seen?

A training engine for domain generalization (FGMix, its ablations, ERM) and an analysis suite for the
checkpoints it writes, or for yours. Importing this package loads neither torch nor a plotting library;
the names below are loaded when they are first used.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "InputError": "landscape.errors",
    "RunConfig": "landscape.config",
    "MixupConfig": "landscape.config",
    "PRESETS": "landscape.config",
    "Checkpoint": "landscape.checkpoint",
    "DomainImages": "landscape.data",
    "Task": "landscape.data",
    "open_task": "landscape.data",
    "load_images": "landscape.data",
    "Network": "landscape.models",
    "build_network": "landscape.models",
    "Evaluator": "landscape.evaluation",
    "Tally": "landscape.evaluation",
    "Run": "landscape.training",
    "Plane": "landscape.surface",
    "Surface": "landscape.surface",
    "Profile": "landscape.surface",
    "Trajectory": "landscape.surface",
    "Flatness": "landscape.flatness",
    "FlatnessCurve": "landscape.flatness",
    "Curvature": "landscape.flatness",
    "CurvaturePath": "landscape.flatness",
    "Codes": "landscape.embedding",
    "Embedding": "landscape.embedding",
    "Association": "landscape.correlation",
}

__all__ = [*_HOMES, "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
