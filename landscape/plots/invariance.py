"""Mixing weights against known invariance: ROC-AUC by kind of weights, seed by seed."""

from collections.abc import Mapping
from typing import Protocol

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.plots import theme

_COLOURS = (theme.BLUE, theme.GREEN, theme.ORANGE, theme.GREY)


class Interval(Protocol):
    """A mean with the ends of its interval; NaN where there is none."""

    @property
    def value(self) -> float: ...  # noqa: D102

    @property
    def low(self) -> float: ...  # noqa: D102

    @property
    def high(self) -> float: ...  # noqa: D102


def plot_auc(
    table: pd.DataFrame, measure: str, means: Mapping[str, Interval], kinds: Mapping[str, str], ax: Axes | None = None
) -> Axes:
    """One row for each kind of weights: a point for every seed, the mean and its interval.

    Args:
        table: a row for each seed and kind, with columns ``weights`` and the measure's.
        measure: the column.
        means: of each kind, over seeds.
        kinds: name -> words.
        ax: axes to draw into; by default a new figure's.
    """
    with theme.style():
        ax = ax or Figure(figsize=(theme.COLUMN, 1.8), layout="constrained").add_subplot()
        for row, (kind, colour) in enumerate(zip(kinds, _COLOURS, strict=True)):
            values = table.loc[table["weights"] == kind, measure]
            ax.plot(values, [row] * len(values), "o", ms=3.5, mew=0, alpha=0.7, color=colour)
            mean = means[kind]
            ax.plot([mean.low, mean.high], [row + 0.25] * 2, "-", color="black", lw=0.8)
            ax.plot(mean.value, row + 0.25, "|", color="black", ms=7, mew=1.2)
        ax.axvline(0.5, color="0.5", lw=0.6, zorder=0)
        ax.set_yticks(range(len(kinds)), list(kinds.values()))
        ax.set_ylim(len(kinds) - 0.4, -0.5)
        ax.set_xlim(0, 1)
        ax.set_xlabel("ROC-AUC")
    return ax


def plot_invariance(
    table: pd.DataFrame,
    means: Mapping[tuple[str, str], Interval],
    kinds: Mapping[str, str],
    measures: Mapping[str, str],
) -> Figure:
    """A panel for each measure, with shared axes.

    Args:
        table: see :func:`plot_auc`.
        means: (measure, kind) -> mean over seeds.
        kinds: name -> words.
        measures: column -> words.
    """
    with theme.style():
        figure = Figure(figsize=(theme.PAGE, 1.9), layout="constrained")
        axes = figure.subplots(1, len(measures), sharex=True, sharey=True)
        for ax, (measure, words) in zip(axes, measures.items(), strict=True):
            plot_auc(table, measure, {kind: means[measure, kind] for kind in kinds}, kinds, ax)
            ax.set_title(words)
    return figure
