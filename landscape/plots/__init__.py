"""Figures: a frozen result in, matplotlib axes or a plotly page out. Nothing in here computes or loads a model."""

from importlib import import_module
from typing import Any

_HOMES = {
    "plot_embedding": "landscape.plots.embedding",
    "plot_fig4": "landscape.plots.fig4",
    "plot_fig9": "landscape.plots.fig9",
    "plot_curvature": "landscape.plots.curvature",
    "plot_curve": "landscape.plots.flatness",
    "plot_flatness": "landscape.plots.flatness",
    "plot_fig6_row": "landscape.plots.fig6",
    "plot_surface": "landscape.plots.surface",
    "write_page": "landscape.plots.interactive",
}

__all__ = [
    "plot_curvature",
    "plot_curve",
    "plot_embedding",
    "plot_fig4",
    "plot_fig6_row",
    "plot_fig9",
    "plot_flatness",
    "plot_surface",
    "write_page",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape.plots' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
