"""Loss and accuracy over a plane of weight space, with the paths on it (FGMix paper, Figure 6)."""

from collections.abc import Sequence

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import QuadContourSet
from matplotlib.patches import Patch

from landscape.plots import theme
from landscape.plots.canvas import colour_bar, drawn_on
from landscape.plots.levels import LOSS_STEPS, Levels
from landscape.surface.panels import panel_of
from landscape.surface.surface import Surface
from landscape.surface.trajectory import Trajectory

_CASING = [effects.Stroke(linewidth=2.0, foreground="white"), effects.Normal()]


def plot_surface(
    surface: Surface,
    metric: str = "train_loss",
    ax: Axes | None = None,
    *,
    domain: str | None = None,
    split: str = "all",
    levels: Levels | None = None,
    paths: Sequence[str] | None = None,
    points: bool | None = None,
    title: str | None = None,
) -> Axes:
    """Contours of one panel, the anchors, and the projected paths.

    Args:
        surface: the measured surface.
        metric: a panel (``train_loss``, ``test_accuracy``, ...), or with `domain` a metric of that domain.
        ax: axes to draw into; by default a new figure's.
        domain: show this domain's ``loss``, ``accuracy`` or ``balanced_accuracy``.
        split: ``in``, ``out`` or ``all`` of that domain.
        levels: contour levels, to share them between panels.
        paths: labels of the paths to draw; all by default.
        points: mark the measured points; None: if they are few enough to be told apart, or not all were measured.
        title: what to write above.

    Returns:
        The axes. Its filled contours are ``ax.collections[0]``, as a colour bar needs them.
    """
    panel = surface.panel(metric, domain=domain, split=split)
    ratio, alone = axis_ratio(surface), ax is None
    with drawn_on(ax, theme.COLUMN, 2.8 if ratio is None else 0.8 + 2.1 * ratio) as ax:
        _draw_contours(ax, surface, panel.values, metric, levels)
        if alone:
            panel_bar(ax, metric)
        # Where not all points were measured, it has to be seen which were.
        if are_few(surface) or not surface.measured.all() if points is None else points:
            draw_points(ax, surface.x, surface.y, ~np.isnan(panel.values) & surface.measured)
        draw_paths(ax, surface, paths)
        where = f", {domain} ({split})" if domain else ""
        ax.set_title(panel_of(metric).title + where if title is None else title)
        name_axes(ax, surface.x, surface.y)
        _set_aspect(ax, surface)
    return ax


def draw_points(ax: Axes, x: np.ndarray, y: np.ndarray, known: np.ndarray) -> None:
    """The points of a grid that were measured, (ny, nx) bool."""
    yy, xx = np.meshgrid(y, x, indexing="ij")
    ax.plot(xx[known], yy[known], ".", color="black", ms=2.2, mec="white", mew=0.3, zorder=2, label="_points")


def name_axes(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """The plane's axes, from end to end."""
    ax.set_xlabel("distance along $e_1$")
    ax.set_ylabel("distance along $e_2$")
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])


def draw_paths(ax: Axes, surface: Surface, paths: Sequence[str] | None = None) -> None:
    """The projected paths, by default all, and the anchors."""
    for path in surface.trajectories:
        if paths is None or path.label in paths:
            _draw_path(ax, path)
    _draw_anchors(ax, surface)


def look_of(metric: str) -> theme.Look:
    """Colours and formats of a panel."""
    return theme.LOOKS[panel_of(metric).kind]


def panel_bar(ax: Axes, metric: str) -> None:
    """A bar for the contours of a panel."""
    filled, look = ax.collections[0], look_of(metric)
    assert isinstance(filled, QuadContourSet)
    levels = np.asarray(filled.levels)
    colour_bar(ax, look.label, format=look.ticks(), ticks=levels[:: max(1, round(len(levels) / 6))])


def _draw_contours(
    ax: Axes, surface: Surface, values: np.ndarray, metric: str, levels: Levels | None
) -> QuadContourSet:
    if levels is None:
        if panel_of(metric).kind == "loss":
            at_anchors = [mark.true.get(metric, mark.true["train_loss"]) for mark in surface.anchors]
            levels = Levels.of(values, reference=max(at_anchors, default=None), count=LOSS_STEPS)
        else:
            levels = Levels.of(values)
    # Contouring interpolates linearly; an overflowed loss would swallow its neighbours' lines.
    top = levels.values[-1] + len(levels.values) * levels.step
    known = np.ma.masked_invalid(np.where(np.isposinf(values), top, values))
    if known.mask.any():
        ax.add_patch(_hatched(ax))
    filled = ax.contourf(
        surface.x,
        surface.y,
        known,
        levels=levels.values,
        cmap=theme.colour_map(look_of(metric).map),
        extend="max" if levels.capped else "neither",
        zorder=1,
    )
    ax.contour(surface.x, surface.y, known, levels=levels.values, colors="white", linewidths=0.35, zorder=1.5)
    return filled


def _hatched(ax: Axes) -> Patch:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (0, 0), 1, 1, transform=ax.transAxes, facecolor="white", edgecolor="0.6", hatch="////", lw=0, zorder=0
    )


def are_few(surface: Surface) -> bool:
    """Whether the measured points can be told apart in a panel."""
    return max(len(surface.x), len(surface.y)) <= 12


def _draw_path(ax: Axes, path: Trajectory) -> None:
    colour, swa = theme.method_colour(path.label), path.kind == "swa"
    width = 1.7 if swa else 0.8
    casing = [effects.Stroke(linewidth=width + 1.1, foreground="white"), effects.Normal()]
    order = 4.0 if swa else 3.0
    ax.plot(path.x, path.y, "-", color=colour, lw=width, zorder=order, path_effects=casing, label=path.name)
    # Recorded points apart from the line: its white casing would ring each of them.
    ax.plot(path.x, path.y, "o", color="white", mec=colour, mew=0.6, ms=2.2, zorder=order + 0.1, label="_recorded")
    if len(path) > 1 and np.hypot(path.x[-1] - path.x[-2], path.y[-1] - path.y[-2]) > 0:
        ax.annotate(
            "",
            xy=(path.x[-1], path.y[-1]),
            xytext=(path.x[-2], path.y[-2]),
            arrowprops={
                "arrowstyle": "-|>",
                "color": colour,
                "lw": width,
                "mutation_scale": 6,
                "shrinkA": 0,
                "shrinkB": 0,
            },
            zorder=4.5,
        )


def _draw_anchors(ax: Axes, surface: Surface) -> None:
    anchors = surface.anchors
    if not anchors:
        return
    middle = np.mean([(mark.x, mark.y) for mark in anchors], axis=0)
    extent = np.array([np.ptp(surface.x), np.ptp(surface.y)])
    for mark in anchors:
        ax.plot(mark.x, mark.y, "D", ms=3.6, color="black", mec="white", mew=0.7, zorder=5, label="_anchor")
        # The name goes outwards, away from the other anchors and the paths between them.
        away = (np.array([mark.x, mark.y]) - middle) / extent
        away = away / (np.linalg.norm(away) or 1.0)
        ax.annotate(
            mark.label,
            (mark.x, mark.y),
            xytext=tuple(8.5 * away),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            zorder=6,
            path_effects=_CASING,
        )


def axis_ratio(surface: Surface) -> float | None:
    """Height over width of an axis with equal units; None where that would be too flat or too tall to read."""
    ratio = float(np.ptp(surface.y) / np.ptp(surface.x))
    return ratio if 0.4 <= ratio <= 1.6 else None


def _set_aspect(ax: Axes, surface: Surface) -> None:
    # e1 and e2 are orthonormal: with equal units a distance on paper is a distance in weight space.
    ax.set_aspect("auto" if axis_ratio(surface) is None else "equal", adjustable="box")
