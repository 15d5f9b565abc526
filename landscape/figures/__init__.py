"""Every figure and table of the two papers, and what neither shows, from runs and stored results.

``items`` has a module for each, under its name, with one function ``make(study) -> Product``; ``numbers`` has what they
are made of, and ``machinery`` what makes them: :data:`~landscape.figures.machinery.registry.ITEMS` lists them all, a
:class:`Study` says of which runs they are.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "ITEMS": "landscape.figures.machinery.registry",
    "Item": "landscape.figures.machinery.registry",
    "Product": "landscape.figures.machinery.product",
    "Study": "landscape.figures.machinery.study",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape.figures' has no attribute {name!r}")
