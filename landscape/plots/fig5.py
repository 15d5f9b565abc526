"""FGMix's figure 5: flatness curves of several methods, a column for each target and one for all together."""

import math
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from landscape.flatness.comparison import Flatness
from landscape.flatness.curve import FlatnessCurve, Scope, Statistic
from landscape.flatness.pooling import PooledCurve
from landscape.intervals import t_reach
from landscape.plots import theme
from landscape.plots.canvas import page
from landscape.plots.flatness import LABELS, legend_handles, loss_rows, method_colours, plot_losses, y_limits

_HEADINGS = {
    "different losses": "different losses (the paper's): ERM on training images, the others on these and their own "
    "mixup codes",
    "same losses": "same losses for every method: training images and one fixed set of groups with frozen weights "
    "(dashed: images alone)",
    "same loss": "the same loss for every method: training images",
}
_ROW = 1.75  # inches


def plot_fig5(
    flatness: Mapping[str, Flatness],
    combined: Sequence[PooledCurve] = (),
    *,
    scope: Scope | None = None,
    statistic: Statistic = "squared",
    figure: Figure | None = None,
) -> Figure:
    """Every method around its own weights, target by target (FGMix paper, Figure 5).

    Above, each method on its own training loss, as in the paper: different losses. Then, every method on the same
    ones. Every direction is drawn faintly, the mean with its 95 % interval over directions, all panels with the same
    axes. Below, as the curves of one loss lie close together, how each differs from the first method's along the same
    directions.

    Args:
        flatness: target -> curves, at the same gammas along the same directions.
        combined: each method's mean over targets, for a last column.
        scope: ``full`` or ``classifier``; by default the first that was measured.
        statistic: ``squared``, ``signed`` or ``absolute``.
        figure: a figure to draw into, which is resized to 6.75 inches, for one
            target to 3.25; by default a new one.
    """
    scope = scope or next(iter(flatness.values())).scopes[0]
    columns = {target: each.of(scope) for target, each in flatness.items()}
    every = [curve for curves in columns.values() for curve in curves]
    first = {curve.method: curve for curve in reversed(every)}
    methods = list(dict.fromkeys(curve.method for curve in every))
    colours = method_colours(methods)
    panels: dict[str, Sequence[FlatnessCurve | PooledCurve]] = {**columns}
    if combined:
        panels["combined"] = combined
    rows = loss_rows(every)
    width = theme.PAGE if len(panels) > 1 else theme.COLUMN
    per_line = 8 if len(panels) > 1 else 4
    handles = legend_handles([first[name] for name in methods], colours, rows)
    below = 0.1 + 0.18 * math.ceil(len(handles) / per_line)
    compared = len(methods) > 1
    height = (_ROW + 0.2) * (len(rows) + compared) + below + 0.1
    with page(figure, width, height, below=below) as figure:
        parts = figure.subfigures(len(rows) + compared, 1, squeeze=False)[:, 0]
        limits = y_limits(every, rows, statistic)
        for part, (heading, losses) in zip(parts, rows, strict=False):
            words = textwrap.fill(_HEADINGS.get(heading, heading), round(17.5 * width))
            part.suptitle(words, fontsize=7.5, x=0.01, ha="left")
            axes = part.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
            for ax, (title, curves) in zip(axes, panels.items(), strict=True):
                for curve in curves:
                    plot_losses(curve, ax, losses, statistic=statistic, colour=colours[curve.method], title=title)
                ax.set_ylabel("")
                if part is not parts[-1]:
                    ax.set_xlabel("")
                ax.xaxis.set_major_locator(MaxNLocator(3))
            axes[0].set_ylim(*limits)
            axes[0].set_ylabel(LABELS[statistic])
        if compared:
            _plot_differences(parts[-1], panels, colours, loss=rows[-1][1][0], statistic=statistic, width=width)
        figure.legend(
            handles=handles,
            loc="lower center",
            ncols=per_line,
            handlelength=1.8,
            columnspacing=1.3,
        )
    return figure


def _plot_differences(
    part: SubFigure,
    panels: Mapping[str, Sequence[FlatnessCurve | PooledCurve]],
    colours: Mapping[str, str],
    *,
    loss: str,
    statistic: Statistic,
    width: float,
) -> None:
    """Each method less the first one along the same directions: mean and 95 % t-interval over directions."""
    first = next(iter(colours))
    words = f"the solid curves above less {first}'s, direction by direction; bars: 95 % intervals over directions"
    part.suptitle(textwrap.fill(words, round(17.5 * width)), fontsize=7.5, x=0.01, ha="left")
    axes = part.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (title, curves) in zip(axes, panels.items(), strict=True):
        reference = next((curve for curve in curves if curve.method == first), None)
        others = [curve for curve in curves if curve.method != first] if reference is not None else []
        ax.axhline(0, color=colours[first], lw=1)
        for index, curve in enumerate(others):
            assert reference is not None
            # At distance 0 there is no change, and so no interval.
            change = (curve.values(statistic, loss) - reference.values(statistic, loss))[1:]
            half = t_reach(change)
            # Side by side, or the bars would hide each other.
            shift = (index - (len(others) - 1) / 2) * 0.03 * curve.gamma[-1]
            style = {"color": colours[curve.method], "ms": 2.2, "lw": 0.9, "elinewidth": 0.9, "label": curve.method}
            ax.errorbar(curve.gamma[1:] + shift, change.mean(1), half, fmt="o-", **style)
        ax.set_title(title)
        ax.set_xlabel(r"distance $\gamma$")
        ax.xaxis.set_major_locator(MaxNLocator(3))
    axes[0].set_ylabel(f"less {first}'s")


def clipped(
    flatness: Mapping[str, Flatness], *, scope: Scope | None = None, statistic: Statistic = "squared"
) -> tuple[int, int]:
    """How many of the faint lines of :func:`plot_fig5` leave their panels, and of how many, as a caption has to say."""
    scope = scope or next(iter(flatness.values())).scopes[0]
    curves = [curve for each in flatness.values() for curve in each.of(scope)]
    rows = loss_rows(curves)
    top = y_limits(curves, rows, statistic)[1]
    drawn = [curve.values(statistic, losses[0]) for curve in curves for _, losses in rows]
    return sum(int((values > top).any(axis=0).sum()) for values in drawn), sum(values.shape[1] for values in drawn)
