"""How far the target lies from the sources, target by target."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.plots import theme
from landscape.plots.canvas import page

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {"to_loss": ("(a) to the target's lowest loss", "o", theme.VERMILLION)}
_KINDS |= {"to_accuracy": ("(b) to the centroid of its best accuracies", "s", theme.BLUE)}


def plot_shift(table: "pd.DataFrame", seeds: "pd.DataFrame | None" = None, *, figure: Figure | None = None) -> Figure:
    """One line for each target: both distances of every seed with what the grid leaves open, and means over seeds.

    Args:
        table: target, seed, to_loss, to_accuracy, grid_error, loss_at_edge: one row for each target and seed.
        seeds: target, quantity, mean, low, high: means over seeds with their intervals; None for one seed.
        figure: a figure to draw into, which is resized to 3.25 inches; by default a new one.
    """
    targets = list(dict.fromkeys(table["target"]))
    height = 0.55 * len(targets) + 1.1
    below = 0.42
    with page(figure, theme.COLUMN, height, below=below) as figure:
        ax = figure.add_subplot()
        for line, target in enumerate(targets):
            rows = table[table["target"] == target]
            for offset, (name, (_, marker, colour)) in zip((-0.17, 0.17), _KINDS.items(), strict=True):
                for k, row in enumerate(rows.itertuples()):
                    y = line + offset + 0.05 * (k - (len(rows) - 1) / 2)
                    value, error = getattr(row, name), row.grid_error
                    edge = row.loss_at_edge if name == "to_loss" else row.train_at_edge
                    ax.plot([max(value - error, 0), value + error], [y, y], "-", color=colour, lw=0.6, label="_grid")
                    ax.plot(
                        value, y, marker, ms=4, mec=colour, mew=0.8, color="white" if edge else colour, label=target
                    )
                if seeds is not None:
                    mean = seeds[(seeds["target"] == target) & (seeds["quantity"] == name)].iloc[0]
                    ax.plot(
                        [mean["low"], mean["high"]],
                        [line + offset] * 2,
                        "-",
                        color=colour,
                        lw=3,
                        alpha=0.35,
                        label="_mean",
                    )
                    ax.plot(mean["mean"], line + offset, "|", color=colour, ms=9, mew=1.5, label="_mean")
        ax.set_yticks(range(len(targets)), targets)
        ax.set_ylim(len(targets) - 0.5, -0.5)
        ax.set_xlim(left=0)
        ax.set_xlabel("distance from the lowest train loss / |w2 - w1|")
        handles = [
            Line2D([], [], ls="", marker=marker, ms=4, color=colour, label=words)
            for words, marker, colour in _KINDS.values()
        ]
        figure.legend(handles=handles, loc="lower center", ncols=1)
    return figure
