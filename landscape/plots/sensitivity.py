"""Accuracy over settings: a heat map for every grid (FGMix paper, Table C.3), and curves over a fixed lambda."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.plots import theme
from landscape.plots.canvas import drawn_on

_COLOURS = (theme.SKY, theme.PINK)
_MARKERS = ("o", "s")


def plot_grid(grid: pd.DataFrame, ax: Axes | None = None, *, title: str = "") -> Axes:
    """A heat map with the number in every cell; cells without a number stay white.

    Args:
        grid: rows: start of lambda, columns: eta; percent.
        ax: axes to draw into; by default a new figure's.
        title: what to write above.
    """
    values = grid.to_numpy(dtype=np.float64)
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    with drawn_on(ax, theme.COLUMN, 2.5) as ax:
        sns.heatmap(
            grid,
            vmin=low,
            vmax=max(high, low + 1e-6),
            cmap=theme.ACCURACY_MAP,
            annot=True,
            fmt=".1f",
            cbar=False,
            xticklabels=[f"{eta:g}" for eta in grid.columns],
            yticklabels=[f"{start:g}" for start in grid.index],
            ax=ax,
        )
        for text, value in zip(ax.texts, known, strict=True):  # seaborn writes white on cells of a middling colour
            text.set_color("white" if value < (low + high) / 2 else "black")
        ax.tick_params(length=0, rotation=0)
        ax.set_xlabel(r"$\eta$")
        ax.set_ylabel(r"$\lambda$ at the start")
        ax.set_title(title)
    return ax


def plot_grids(grids: Mapping[str, pd.DataFrame]) -> Figure:
    """Heat maps side by side, each with its own colours.

    Args:
        grids: title -> grid.
    """
    with theme.style():
        figure = Figure(figsize=(theme.PAGE, 2.4), layout="constrained")
        axes = figure.subplots(1, len(grids), squeeze=False)[0]
        for ax, (title, grid) in zip(axes, grids.items(), strict=True):
            plot_grid(grid, ax, title=title)
    return figure


def plot_scaling(
    values: Mapping[str, np.ndarray],
    scales: Sequence[float],
    methods: Mapping[str, str],
) -> Figure:
    """Accuracy and the rise of two losses over a fixed lambda, one line a method.

    Args:
        values: ``accuracy``, ``rise, original``, ``rise, own`` -> (method, lambda, seed).
        scales: lambda.
        methods: name -> words for the legend, in the order of the first axis.
    """
    panels = {
        "accuracy": "target accuracy (%)",
        "rise, original": "rise of the training loss (nat)",
        "rise, own": "rise with own mixup codes (nat)",
    }
    with theme.style():
        figure = Figure(figsize=(theme.PAGE, 2.3), layout="constrained")
        for ax, (name, words) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
            for m, method in enumerate(methods.values()):
                each = values[name][m]
                found = ~np.isnan(each).all(axis=1)
                x = np.asarray(scales)[found]
                mean = np.array([row[~np.isnan(row)].mean() for row in each[found]])
                ax.plot(x, mean, "-", color=_COLOURS[m], label=method)
                ax.plot(scales, each, _MARKERS[m], color=_COLOURS[m], ms=3, mew=0)
            ax.set_xticks(scales, [f"{scale:g}" for scale in scales])
            ax.set_xlabel(r"fixed $\lambda$")
            ax.set_ylabel(words)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
