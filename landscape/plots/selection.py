"""Source validation against target accuracy, and what SWA changes, method by method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.algorithms.catalogue import label_of
from landscape.plots import theme
from landscape.plots.canvas import drawn_on


@dataclass(frozen=True)
class Row:
    """One method's numbers.

    Attributes:
        values: (targets,) means over seeds.
        mean: over all.
        low: lower end of its 95 % interval; NaN where there is none.
        high: upper end.
    """

    values: np.ndarray
    mean: float
    low: float = np.nan
    high: float = np.nan


def plot_checkpoints(runs: Mapping[str, tuple[np.ndarray, np.ndarray]], ax: Axes | None = None) -> Axes:
    """Target accuracy over source validation accuracy, checkpoint by checkpoint: filled raw, open SWA.

    Args:
        runs: method -> source validation and target accuracy, each (2, checkpoints): raw and SWA; shares.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, 2.6) as ax:
        for name, (validation, target) in runs.items():
            colour = theme.method_colour(name)
            for kind, (filled, suffix) in enumerate(((True, ""), (False, " + SWA"))):
                ax.plot(
                    100 * validation[kind],
                    100 * target[kind],
                    "o",
                    ms=3.5,
                    mec=colour,
                    mfc=colour if filled else "white",
                    mew=0.9,
                    label=name + suffix,
                )
        ax.set_xlabel("source validation accuracy (%)")
        ax.set_ylabel("target accuracy (%)")
        ax.legend(handletextpad=0.1, borderaxespad=0.2)
    return ax


def plot_by_method(
    rows: Mapping[str, Row], targets: Sequence[str], ax: Axes | None = None, *, filled: bool = True, shift: float = 0.0
) -> Axes:
    """One row a method: a point for every target, and the mean with its 95 % interval where there is one.

    Args:
        rows: algorithm -> its numbers.
        targets: names of the targets.
        ax: axes to draw into; by default a new figure's.
        filled: fill the points' markers.
        shift: how far below its line a row is drawn.
    """
    with drawn_on(ax, theme.COLUMN, 2.6) as ax:
        colours = theme.domain_colours(targets)
        for line, row in enumerate(rows.values()):
            y = line + shift
            for target, value in zip(targets, row.values, strict=True):
                face = colours[target] if filled else "white"
                ax.plot(value, y, "o", ms=3.5, mec=colours[target], mfc=face, mew=0.9)
            ax.plot(row.mean, y, "|", color="black", ms=8, mew=1.2)
            ax.plot([row.low, row.high], [y, y], "-", color="black", lw=0.8, zorder=1)
        ax.axvline(0, color="0.5", lw=0.6, zorder=0)
        ax.set_yticks(range(len(rows)), [label_of(name) for name in rows])
        ax.set_ylim(len(rows) - 0.5, -0.5)
    return ax


def plot_selection(
    runs: Mapping[str, tuple[np.ndarray, np.ndarray]],
    rho: tuple[Mapping[str, Row], Mapping[str, Row]],
    gain: Mapping[str, Row],
    targets: Sequence[str],
    *,
    gain_words: str,
) -> Figure:
    """Checkpoints of single runs, rank correlations raw and averaged, and the gain from SWA.

    Args:
        runs: method -> checkpoints of one run, see :func:`plot_checkpoints`.
        rho: of the raw weights and of SWA.
        gain: in percentage points.
        targets: names of the targets.
        gain_words: what the gain is, for the axis.
    """
    with theme.style():
        figure = Figure(figsize=(theme.PAGE, 2.7), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        plot_checkpoints(runs, left)
        plot_by_method(rho[0], targets, middle, shift=-0.14)
        plot_by_method(rho[1], targets, middle, filled=False, shift=0.14)
        middle.set_xlim(-1.08, 1.08)
        middle.set_xlabel(r"$\rho$ (filled: raw, open: SWA)")
        plot_by_method(gain, targets, right)
        right.set_xlabel(gain_words)
        colours = theme.domain_colours(targets)
        handles = [Line2D([], [], marker="o", ls="", ms=3.5, color=colours[name], label=name) for name in targets]
        figure.legend(handles=handles, loc="outside lower right", ncols=len(handles), handletextpad=0.1)
    return figure
