"""Three gradients with their loss surfaces, and weights scaled and shifted (FGMix, Figure 3)."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.plots import theme
from landscape.plots.canvas import drawn_on

if TYPE_CHECKING:
    from landscape.toy.three_losses import ThreeLosses

_COLOURS = (theme.BLUE, theme.ORANGE, theme.PINK)
_MARKERS = ("o", "s", "^")


def plot_gradients(toy: "ThreeLosses", ax: Axes | None = None) -> Axes:
    """Contours of the three losses, their minima, and the negative gradients at the classifier's place.

    Args:
        toy: the three losses.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, theme.COLUMN) as ax:
        for index, colour in enumerate(_COLOURS):
            levels = np.array([0.02, 0.08, 0.18, 0.32])
            ax.contour(toy.axis, toy.axis, toy.losses[index], levels=levels, colors=colour, linewidths=0.6, alpha=0.75)
            ax.contourf(toy.axis, toy.axis, toy.losses[index], levels=[0, 0.18], colors=colour, alpha=0.12)
            ax.plot(*toy.minima[index], "x", color=colour, ms=5, mew=1.2)
            end = -toy.gradients[index]
            ax.annotate(
                "",
                end,
                (0, 0),
                arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.3, "shrinkA": 0, "shrinkB": 3},
            )
            outward = end / np.linalg.norm(end)
            ax.text(
                end[0] + 0.36 * outward[0],
                end[1] + 0.36 * outward[1],
                f"$-g_{index + 1}$",
                color="black",
                ha="center",
                va="center",
                fontsize=8,
            )
        ax.plot(0, 0, "o", color="black", ms=3.5, zorder=4)
        ax.text(-0.1, -0.02, r"$\theta_C$", ha="right", va="center", fontsize=8)
        lines = [
            rf"$\cos(g_{i + 1},g_{j + 1}) = {toy.cosines[i, j]:+.2f}$"
            for i in range(len(_COLOURS))
            for j in range(i + 1, len(_COLOURS))
        ]
        lines += [rf"$s_{i + 1} = {value:+.2f}$" for i, value in enumerate(toy.sums)]
        half = len(lines) // 2
        ax.text(-2.27, 1.72, "\n".join(lines[:half]), va="top", fontsize=6.5, linespacing=1.35)
        ax.text(-2.27, -1.68, "\n".join(lines[half:]), va="bottom", fontsize=6.5, linespacing=1.35)
        ax.set_xlim(toy.axis[0], 1.85)
        ax.set_ylim(-1.8, 1.85)
        ax.set_aspect("equal")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel("first parameter")
        ax.set_ylabel("second parameter")
    return ax


def plot_weights(toy: "ThreeLosses", row: int = 0, ax: Axes | None = None) -> Axes:
    """Original and scaled-shifted weights against lambda, and where extrapolation begins.

    Args:
        toy: the weights.
        row: 0 for the more distinctive vector, 1 for the other.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, 2.4) as ax:
        ax.axhline(0, color="0.4", lw=0.7, zorder=1)
        for member, (colour, marker) in enumerate(zip(_COLOURS, _MARKERS, strict=True)):
            # Eq. 5 is linear in lambda, so that lines between the marks are exact.
            values = toy.scaled[row, :, member]
            ax.plot(toy.scales, values, "-", color=colour, lw=1.0, marker=marker, ms=3.6, mec="white", mew=0.4)
            ax.plot(toy.scales[:1], values[:1], marker, ms=5.2, mfc="none", mec="black", mew=0.8)
        low, high = toy.scales.min() - 0.35, toy.scales.max() + 0.35
        onset = float(toy.onset[row])
        if onset < high:
            ax.axvspan(onset, high, color="0.9", lw=0, zorder=0)
            ax.axvline(onset, color="black", lw=0.8, ls="--", zorder=1)
            ax.annotate(
                rf"$\lambda^* = {onset:.2f}$",
                (onset, 0.03),
                xycoords=("data", "axes fraction"),
                xytext=(3 if onset < 5 else -3, 0),
                textcoords="offset points",
                ha="left" if onset < 5 else "right",
                fontsize=7,
            )
        ax.set_xlim(low, high)
        ax.set_xticks(toy.scales)
        ax.set_xlabel(r"scaling factor $\lambda$")
        ax.set_ylabel(r"weight $\tilde{w}_i$")
    return ax


def plot_fig3(toy: "ThreeLosses") -> Figure:
    """The three panels of Figure 3; b and c share their axis of weights."""
    with theme.style():
        figure = Figure(figsize=(theme.PAGE, 2.75), layout="constrained")
        first, second, third = figure.subplots(1, 3, gridspec_kw={"width_ratios": [1.2, 1, 1]})
        second.sharey(third)
        plot_gradients(toy, first).set_title("(a) three gradients, three losses")
        for row, (ax, words) in enumerate(((second, "(b) more distinctive"), (third, "(c) less distinctive"))):
            plot_weights(toy, row, ax).set_title(words)
        third.set_ylabel("")
        third.tick_params(labelleft=False)
        handles = [
            Line2D([], [], color=colour, marker=marker, ms=3.6, lw=1.0, label=rf"$\tilde{{w}}_{i + 1}$")
            for i, (colour, marker) in enumerate(zip(_COLOURS, _MARKERS, strict=True))
        ]
        handles.append(
            Line2D([], [], ls="", marker="o", ms=5.2, mfc="none", mec="black", mew=0.8, label=r"original ($\lambda=1$)")
        )
        third.legend(handles=handles, loc="upper left", handlelength=1.6, borderpad=0.2, labelspacing=0.3)
    return figure
