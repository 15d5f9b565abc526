"""Mixing weights against known invariance: ROC-AUC by kind of weights, seed by seed."""

from collections.abc import Mapping
from typing import Protocol

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.plots import theme
from landscape.plots.canvas import drawn_on

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
    """One row for each kind of weights: a point for every seed, beside each other where they coincide, the mean and its
    interval.

    Args:
        table: a row for each seed and kind, with columns ``weights`` and the measure's.
        measure: the column.
        means: of each kind, over seeds.
        kinds: name -> words.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, 1.8) as ax:
        sns.swarmplot(
            table,
            x=measure,
            y="weights",
            order=list(kinds),
            hue="weights",
            palette=dict(zip(kinds, _COLOURS, strict=True)),
            size=3.5,
            linewidth=0,
            alpha=0.7,
            legend=False,
            ax=ax,
        )
        for row, kind in enumerate(kinds):
            mean = means[kind]
            ax.plot([mean.low, mean.high], [row + 0.36] * 2, "-", color="black", lw=0.8)
            ax.plot(mean.value, row + 0.36, "|", color="black", ms=7, mew=1.2)
        ax.axvline(0.5, color="0.5", lw=0.6, zorder=0)
        ax.set_yticks(range(len(kinds)), list(kinds.values()))
        ax.set_ylim(len(kinds) - 0.35, -0.5)
        ax.set_xlim(0, 1)
        ax.set_xlabel("ROC-AUC")
        ax.set_ylabel("")
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
