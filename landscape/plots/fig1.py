"""Toy domains in the plane: decision regions of three classifiers, and where extrapolation helps (FGMix, Figure 1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.spatial import ConvexHull

from landscape.plots import theme
from landscape.plots.canvas import drawn_on

if TYPE_CHECKING:
    import pandas as pd

    from landscape.toy.planar_domains import Outcome, World

_REGIONS = ("#FFFFFF", "#DCDCDC")
_MARKERS = ("o", "^")
_NAMES = ("source 1", "source 2", "source 3", "target")
_ROWS = ("first draw", "largest gain", "largest loss")


def plot_regions(world: "World", way: int, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Codes, hulls of the source codes of each class, mixup codes and decision regions of one classifier.

    Args:
        world: one draw.
        way: 0 without mixup, 1 interpolation, 2 extrapolation.
        ax: axes to draw into; by default a new figure's.
        title: what to write above.
    """
    with drawn_on(ax, theme.COLUMN, theme.COLUMN) as ax:
        ax.contourf(world.x, world.y, world.decisions[way], levels=[-0.01, 0.5, 1.01], colors=_REGIONS)
        ax.contour(world.x, world.y, world.decisions[way], levels=[0.5], colors="black", linewidths=0.9)
        if way:
            mixed = world.mixed[way - 1]
            for label, marker in enumerate(_MARKERS):
                chosen = mixed[world.mixed_labels == label]
                ax.plot(*chosen.T, marker, ms=2.2, mfc="none", mec="0.35", mew=0.45, zorder=2)
        colours = theme.domain_colours(_NAMES)
        for label, marker in enumerate(_MARKERS):
            hull = world.sources[world.source_labels == label]
            corners = hull[ConvexHull(hull.astype(np.float64)).vertices]
            ax.plot(*np.concatenate([corners, corners[:1]]).T, "--", color="0.25", lw=0.7, zorder=3)
            ax.plot(
                *world.target[world.target_labels == label][::4].T,
                marker,
                ms=2.4,
                mew=0,
                color=colours["target"],
                alpha=0.75,
                zorder=4,
            )
            for domain, name in enumerate(_NAMES[:-1]):
                codes = world.sources[domain][world.source_labels[domain] == label]
                ax.plot(*codes.T, marker, ms=3.0, mec="white", mew=0.3, color=colours[name], zorder=5)
        ax.text(
            0.03,
            0.97,
            f"target {100 * world.accuracy[way]:.0f} %",
            transform=ax.transAxes,
            va="top",
            fontsize=7,
            bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "0.7", "lw": 0.4, "alpha": 0.9},
            zorder=6,
        )
        ax.set_title(title)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_aspect("equal")
        ax.set_xlim(world.x[0], world.x[-1])
        ax.set_ylim(world.y[0], world.y[-1])
    return ax


def plot_shares(shares: "pd.DataFrame", ax: Axes | None = None) -> Axes:
    """Shares of targets where extrapolation helps and where it hurts, with their intervals.

    Args:
        shares: a row per comparison: ``against``, and for ``helps`` and ``hurts`` the share, ``_low``, ``_high``.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, 2.0) as ax:
        for row, line in enumerate(shares.to_dict("records")):
            for kind, colour, offset in (("helps", theme.BLUE, -0.18), ("hurts", theme.VERMILLION, 0.18)):
                share, low, high = (100 * line[kind + end] for end in ("", "_low", "_high"))
                ax.barh(row + offset, share, height=0.32, color=colour)
                ax.errorbar(share, row + offset, xerr=[[share - low], [high - share]], color="black", lw=0.8, capsize=2)
                ax.text(high + 1.5, row + offset, f"{share:.0f} %", va="center", fontsize=7)
                ax.text(1.5, row + offset, kind, va="center", fontsize=7, color="white")
        ax.set_yticks(range(len(shares)), [f"against\n{name}" for name in shares.against])
        ax.set_ylim(len(shares) - 0.45, -0.55)
        ax.set_xlim(0, 100 * max(shares.helps_high.max(), shares.hurts_high.max()) + 16)
        ax.set_xlabel("share of the draws (%)")
    return ax


def plot_gain(outcome: "Outcome", bands: "pd.DataFrame", ax: Axes | None = None) -> Axes:
    """Gain of extrapolation over interpolation against the target's direction, with means of bands of angle.

    Args:
        outcome: all draws.
        bands: ``low`` and ``high`` angle of each band, its ``mean`` gain and the interval ``mean_low``, ``mean_high``.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, 2.0) as ax:
        gain = 100 * outcome.gain[:, 1]
        ax.axhline(0, color="0.5", lw=0.6, zorder=0)
        colours = np.where(gain > 0, theme.BLUE, np.where(gain < 0, theme.VERMILLION, "#9A9A9A"))
        ax.scatter(outcome.angle, gain, s=7, lw=0, c=colours, alpha=0.6)
        for band in bands.to_dict("records"):
            across = [band["low"], band["high"]]
            ax.fill_between(across, 100 * band["mean_low"], 100 * band["mean_high"], color="0.2", alpha=0.3, lw=0)
            ax.plot(across, [100 * band["mean"]] * 2, color="black", lw=1.3)
        ax.set_xlim(-1, 91)
        ax.set_xticks([0, 30, 60, 90])
        ax.set_xlabel("target's direction to the class axis (\N{DEGREE SIGN})")
        ax.set_ylabel("gain over interpolation\n(points of accuracy)")
    return ax


def plot_plane(
    outcome: "Outcome", shares: "pd.DataFrame", bands: "pd.DataFrame", *, ways: Sequence[str], threshold: float
) -> Figure:
    """The first draw and the two extreme ones under the three ways of training, and all draws below (Figure 1).

    Args:
        outcome: all draws.
        shares: see :func:`plot_shares`.
        bands: see :func:`plot_gain`.
        ways: names of the three ways of training.
        threshold: difference of accuracy from which on a draw counts as help or harm.
    """
    rows = len(outcome.shown)
    with theme.style():
        figure = Figure(figsize=(theme.PAGE, 7.9), layout="constrained")
        upper, lower = figure.subfigures(2, 1, height_ratios=[5.8, 2.1], squeeze=False)[:, 0]
        axes = upper.subplots(rows, len(ways))
        for row, (world, name) in enumerate(zip(outcome.shown, _ROWS, strict=True)):
            for way, words in enumerate(ways):
                title = f"({'abc'[way]}) {words}" if row == 0 else ""
                plot_regions(world, way, axes[row, way], title=title)
            which = f"draw {world.index + 1}" if row else f"of {len(outcome.angle)}"
            axes[row, 0].set_ylabel(f"{name}\n({which})")
        left, right = lower.subplots(1, 2, gridspec_kw={"width_ratios": [1, 1.25]})
        plot_shares(shares, left)
        points = f"{100 * threshold:g} point{'' if threshold == 0.01 else 's'}"
        left.set_title(f"(d) extrapolation helps, hurts by {points} or more")
        plot_gain(outcome, bands, right)
        right.set_title("(e) every draw; means with 95 % intervals")
        upper.legend(handles=_legend(), loc="outside lower center", ncols=5, handletextpad=0.4)
    return figure


def _legend() -> list[Line2D | Patch]:
    colours = theme.domain_colours(_NAMES)
    handles: list[Line2D | Patch] = [
        Line2D([], [], ls="", marker="s", ms=4.5, color=colours[name], label=name) for name in _NAMES
    ]
    handles += [
        Line2D([], [], ls="", marker=marker, ms=4, color="0.3", label=f"class {label + 1}")
        for label, marker in enumerate(_MARKERS)
    ]
    return [
        *handles,
        Line2D([], [], ls="", marker="o", ms=3, mfc="none", mec="0.35", mew=0.6, label="mixup code"),
        Patch(fc=_REGIONS[1], ec="black", lw=0.8, label="decided as class 2"),
        Line2D([], [], ls="--", color="0.25", lw=0.8, label="hull of a class's source codes"),
    ]
