"""One loss panel for each domain on one plane, with the domains' lowest points."""

import math
from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.plots import theme
from landscape.plots.canvas import page
from landscape.plots.fig6 import legend_handles
from landscape.plots.levels import LOSS_STEPS, Levels
from landscape.plots.surface import axis_ratio, panel_bar, plot_surface
from landscape.surface.shift import Lowest, domain_loss
from landscape.surface.surface import Surface


def plot_domain_surfaces(surface: Surface, minima: Mapping[str, Lowest], *, figure: Figure | None = None) -> Figure:
    """Each source domain's train loss and the target's loss, with the same levels and one colour bar.

    Args:
        surface: the measured surface.
        minima: domain -> its lowest grid point (:func:`~landscape.surface.shift.domain_lowest`); a panel each.
        figure: a figure to draw into, which is resized to 6.75 inches; by default a new one.
    """
    columns = 2 if len(minima) <= 4 else 3
    rows = math.ceil(len(minima) / columns)
    ratio = axis_ratio(surface)
    width = {2: 2.5, 3: 1.65}[columns]
    below = 0.5
    height = rows * (width * (0.8 if ratio is None else ratio) + 0.3) + 0.2 + below
    at_anchors = [mark.true[name] for mark in surface.anchors for name in ("train_loss", "test_loss")]
    losses = [domain_loss(surface, name) for name in minima]
    levels = Levels.of(*losses, reference=max(at_anchors, default=None), count=LOSS_STEPS)
    colours = theme.domain_colours([str(name) for name in surface.values["domain"].values])
    target = surface.about["target"]
    with page(figure, theme.PAGE, height, below=below) as figure:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for ax in grid.ravel()[len(minima) :]:
            ax.set_axis_off()
        for ax, name in zip(grid.ravel(), minima, strict=False):
            if name == target:
                plot_surface(surface, "test_loss", ax, levels=levels, title=f"{name} (target)")
            else:
                plot_surface(surface, "loss", ax, domain=name, split="in", levels=levels, title=f"{name} (training)")
            for k, other in enumerate(minima.values()):
                own = other.name == name
                ax.plot(
                    other.x,
                    other.y,
                    "*" if own else "o",
                    ms=9 if own else max(7.5 - 1.4 * k, 2.0),  # rings where several coincide
                    color=colours[other.name],
                    mec="white" if own else "black",
                    mew=0.7,
                    zorder=8 if own else 7,
                    clip_on=False,
                    label="_lowest",
                )
            ax.label_outer()
        for row in range(rows):
            shown = grid[row, : min(columns, len(minima) - row * columns)]
            panel_bar(shown[-1], "loss")
        handles = [
            Line2D([], [], ls="", marker="*", ms=7, color=colours[name], mec="white", mew=0.5, label=f"lowest: {name}")
            for name in minima
        ]
        figure.legend(handles=[*handles, *legend_handles(surface)], loc="lower center", ncols=5, handlelength=1.8)
    return figure
