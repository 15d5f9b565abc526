"""Every figure and table of the two papers, and what neither shows, from runs and stored results.

:data:`~landscape.figures.registry.ITEMS` lists them; a :class:`Study` says of which runs they are; each item's module
has one function, ``make(study) -> Product``.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "ITEMS": "landscape.figures.registry",
    "Item": "landscape.figures.registry",
    "Product": "landscape.figures.product",
    "Study": "landscape.figures.study",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape.figures' has no attribute {name!r}")
