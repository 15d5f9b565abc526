"""Latent codes and mixup codes side by side: ``python -m landscape.embedding RUN[@swa]``."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Codes": "landscape.embedding.codes",
    "Embedding": "landscape.embedding.embedding",
    "Estimate": "landscape.embedding.estimate",
    "Mixed": "landscape.embedding.mixed",
    "Recipe": "landscape.embedding.recipe",
    "compare": "landscape.embedding.mingling",
}

__all__ = ["Codes", "Embedding", "Estimate", "Mixed", "Recipe", "compare"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape.embedding' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
