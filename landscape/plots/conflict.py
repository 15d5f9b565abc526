"""Agreement and conflict of the source domains' gradients over a plane, with the training paths on it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.plots import theme
from landscape.plots.canvas import colour_bar, drawn_on, page
from landscape.plots.fig6 import legend_handles
from landscape.plots.surface import axis_ratio, draw_paths, draw_points, name_axes
from landscape.surface.conflict import ConflictMap
from landscape.surface.surface import Surface

MAP = "RdBu"  # red: conflict; blue: agreement
_STEPS = 10  # on either side of zero


def plot_conflict(
    conflict: ConflictMap, surface: Surface | None = None, ax: Axes | None = None, *, title: str | None = None
) -> Axes:
    """Mean pairwise cosine of the source domains' gradients; the colours are centred at 0, its contour is black.

    Args:
        conflict: the measured map.
        surface: a surface on the same plane, whose anchors and paths are drawn on top.
        ax: axes to draw into; by default a new figure's.
        title: what to write above.

    Returns:
        The axes. The filled contours are ``ax.collections[0]``.
    """
    values = np.ma.masked_invalid(conflict.mean)
    reach = max(float(np.abs(values).max()) if values.count() else 1.0, 1e-6)
    reach = float(np.ceil(reach * 20) / 20)
    levels = np.linspace(-reach, reach, 2 * _STEPS + 1)
    with drawn_on(ax, theme.COLUMN, 2.8) as ax:
        ax.contourf(conflict.x, conflict.y, values, levels=levels, cmap=MAP, vmin=-reach, vmax=reach, zorder=1)
        if values.count() and float(values.min()) < 0 < float(values.max()):
            ax.contour(conflict.x, conflict.y, values, levels=[0.0], colors="black", linewidths=0.8, zorder=1.5)
        draw_points(ax, conflict.x, conflict.y, ~np.ma.getmaskarray(values))
        if surface is not None:
            draw_paths(ax, surface)
        ax.set_title("mean cosine of the domains' gradients" if title is None else title)
        name_axes(ax, conflict.x, conflict.y)
    return ax


def plot_conflict_figure(conflict: ConflictMap, surface: Surface, *, figure: Figure | None = None) -> Figure:
    """The map of the mean cosine with its colour bar and a legend of the paths, in one column.

    Args:
        conflict: the measured map.
        surface: a surface on the same plane.
        figure: a figure to draw into, which is resized to 3.25 inches; by default a new one.
    """
    ratio = axis_ratio(surface)
    height = 0.4 + 2.1 * (1.0 if ratio is None else ratio) + 0.75
    below = 0.45
    with page(figure, theme.COLUMN, height, below=below) as figure:
        ax = plot_conflict(conflict, surface, figure.add_subplot())
        ax.set_aspect("auto" if ratio is None else "equal", adjustable="box")
        colour_bar(ax, "cosine")
        figure.legend(handles=legend_handles(surface), loc="lower center", ncols=3, handlelength=1.8, columnspacing=1.2)
    return figure
