"""How much the loss changes around each method's weights, direction by direction (FGMix paper, Figure 5)."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from landscape.errors import InputError
from landscape.flatness.comparison import Flatness
from landscape.flatness.curve import FlatnessCurve, Scope, Statistic
from landscape.flatness.pooling import PooledCurve
from landscape.plots import theme
from landscape.plots.canvas import drawn_on, page, write_below
from landscape.plots.captions import data_words

LABELS: dict[str, str] = {
    "squared": "$E_u[(L(\\theta+\\gamma u)-L(\\theta))^2]$  (nat$^2$)",
    "signed": "$E_u[L(\\theta+\\gamma u)-L(\\theta)]$  (nat)",
    "absolute": "$E_u|L(\\theta+\\gamma u)-L(\\theta)|$  (nat)",
}
_OWN, _ORIGINAL, _SHARED = "own", "original", "shared"
_SPARE = (theme.BLUE, theme.VERMILLION, theme.GREEN, theme.ORANGE, theme.PINK, theme.SKY, theme.BLACK, theme.GREY)


def plot_curve(
    curve: FlatnessCurve | PooledCurve,
    ax: Axes | None = None,
    *,
    loss: str | None = None,
    statistic: Statistic = "squared",
    directions: bool = True,
    interval: bool = True,
    colour: str | None = None,
    dashed: bool = False,
    label: str | None = None,
    title: str | None = None,
) -> Axes:
    """One method: every direction drawn faintly, the mean over directions and its 95 % interval.

    Args:
        curve: the measured curve.
        ax: axes to draw into; by default a new figure's.
        loss: which of its losses; by default the first.
        statistic: ``squared`` (the FGMix paper's), ``signed`` (SWAD's) or ``absolute``.
        directions: draw every direction.
        interval: draw the 95 % interval.
        colour: of the curve; by default the method's.
        dashed: draw the mean dashed.
        label: name in a legend; by default the method's.
        title: what to write above.
    """
    values = curve.values(statistic, loss)
    mean = curve.mean(statistic, loss)
    colour = colour or theme.method_colour(curve.method)
    with drawn_on(ax, theme.COLUMN, 2.4) as ax:
        if directions:
            # What overflowed leaves a gap.
            for each in np.where(np.isfinite(values), values, np.nan).T:
                ax.plot(curve.gamma, each, "-", color=colour, lw=0.4, alpha=0.22, label="_direction", zorder=1)
        if interval:
            ends = curve.interval(statistic, loss)
            low, high = np.where(np.isfinite(ends), ends, np.nan).T
            ax.fill_between(curve.gamma, low, high, color=colour, alpha=0.25, lw=0, label="_interval", zorder=2)
        shown = np.where(np.isfinite(mean), mean, np.nan)
        style = "--" if dashed else "-"
        name = curve.method if label is None else label
        ax.plot(curve.gamma, shown, style, color=colour, lw=1.3, marker="o", ms=2.2, mew=0, label=name, zorder=3)
        ax.set_xlabel("distance $\\gamma$")
        ax.set_ylabel(LABELS[statistic])
        ax.set_title((curve.method if loss is None else f"{curve.method}, {loss}") if title is None else title)
        ax.set_xlim(curve.gamma[0], curve.gamma[-1])
        ax.xaxis.set_major_locator(MaxNLocator(4))
        if statistic != "signed":
            ax.set_ylim(bottom=0.0)
    return ax


def plot_losses(
    curve: FlatnessCurve | PooledCurve,
    ax: Axes,
    losses: Sequence[str],
    *,
    statistic: Statistic,
    colour: str,
    title: str,
    directions: bool = True,
) -> None:
    """Several losses of one curve: the first with its interval and, if wanted, its directions, the others dashed."""
    for loss in losses:
        first = loss == losses[0]
        plot_curve(
            curve,
            ax,
            loss=loss,
            statistic=statistic,
            directions=directions and first,
            interval=first,
            colour=colour,
            dashed=not first,
            title=title,
        )


def plot_flatness(
    flatness: Flatness,
    scope: Scope | None = None,
    *,
    statistic: Statistic = "squared",
    figure: Figure | None = None,
    note: str = "",
) -> Figure:
    """FGMix's figure 5 for one target: a panel per method and all of them together.

    With mixup there are two rows. Above, each method on its own training loss, as in the paper: these are different
    losses. Below, every method on the same losses: images and one fixed set of groups (solid), and images alone
    (dashed). All panels have the same axes.

    Args:
        flatness: the measured curves.
        scope: ``full`` or ``classifier``; by default the first that was measured.
        statistic: ``squared``, ``signed`` or ``absolute``.
        figure: a figure to draw into, which is resized to 6.75 inches; by default a new one.
        note: a sentence to add to the caption.
    """
    scope = scope or flatness.scopes[0]
    curves = flatness.of(scope)
    colours = method_colours([curve.method for curve in curves])
    rows = loss_rows(curves)
    columns = len(curves) + (len(curves) > 1)
    words = textwrap.wrap(caption(flatness, scope, statistic=statistic, note=note), 122, break_on_hyphens=False)
    below = 0.42 + 0.123 * len(words)
    height = (1.5 if columns > 2 else 2.0) * len(rows) + 0.35 + below
    with page(figure, theme.PAGE, height, below=below) as figure:
        grid = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
        for axes, (heading, losses) in zip(grid, rows, strict=True):
            for ax, curve in zip(axes, curves, strict=False):
                plot_losses(curve, ax, losses, statistic=statistic, colour=colours[curve.method], title=curve.method)
            for curve in curves if len(curves) > 1 else ():
                colour = colours[curve.method]
                plot_losses(
                    curve, axes[-1], losses, statistic=statistic, colour=colour, title="together", directions=False
                )
            for ax in axes[1:]:
                ax.set_ylabel("")
            axes[0].set_ylabel(heading)
        for ax in grid[:-1].ravel():
            ax.set_xlabel("")
        for ax in grid[1:].ravel():
            ax.set_title("")
        grid[0, 0].set_ylim(*y_limits(curves, rows, statistic))
        figure.supylabel(LABELS[statistic], fontsize=7.5, y=(1 + below / height) / 2)
        write_below(figure, legend_handles(curves, colours, rows), words, below)
    return figure


def caption(flatness: Flatness, scope: Scope, *, statistic: Statistic = "squared", note: str = "") -> str:
    """What a reader needs to know: data, model, seed, n, which losses, what the interval is over."""
    about, curves = flatness.about, flatness.of(scope)
    sentences = []
    if "data" in about:
        sentences.append(data_words(about))
        used, train = about["n"]["used"], about["n"]["train"]
        images = f"all {train:,}" if used == train else f"a stratified {used:,} of {train:,}"
        sentences.append(f"Loss: {images} training images.")
    moved = "all parameters" if scope == "full" else "the classifier's parameters, at fixed latent codes"
    sentences.append(
        f"u: {curves[0].directions} random unit directions over {moved}, the same for every method; faint: each "
        "direction; line: mean; band: 95 % bootstrap interval over directions, which describes these weights, not "
        "other training seeds."
    )
    if _OWN in curves[0].losses and (shared := about.get("shared")):
        sentences.append(
            "Top: the paper's losses, ERM on images, the others on images and their own mixup codes: different losses. "
            f"Bottom: the same losses; solid: images and {shared['codes']:,} mixup codes with weights frozen at "
            f"{shared['policy']}; dashed: images alone."
        )
    norms = [f"{curve.method} {curve.about['norm']:.3g}" for curve in curves if "norm" in curve.about]
    if norms:
        sentences.append(f"Norm of what is moved: {', '.join(norms)}.")
    if any(curve.overflowed for curve in curves):
        sentences.append("A gap: the loss overflowed.")
    if y_limits(curves, loss_rows(curves), statistic)[1] < _largest(curves, loss_rows(curves), statistic):
        sentences.append("Some directions leave the panels.")
    return " ".join([*sentences, note]).strip()


def method_colours(methods: Sequence[str]) -> dict[str, str]:
    """A colour for every method: its own in every figure, told apart where two share one."""
    chosen: dict[str, str] = {}
    for method in methods:
        colour = theme.method_colour(method)
        if colour in chosen.values() or (colour == theme.GREY and not method.startswith("A0")):
            colour = next((c for c in _SPARE if c not in chosen.values()), theme.GREY)
        chosen[method] = colour
    return chosen


def loss_rows(curves: Sequence[FlatnessCurve]) -> list[tuple[str, tuple[str, ...]]]:
    """Heading and losses of every row, the first loss of a row with its directions."""
    losses = curves[0].losses
    if any(curve.losses != losses for curve in curves):
        raise InputError("these curves are of different losses; measure them in one call.")
    if {_ORIGINAL, _OWN, _SHARED} <= set(losses):
        return [("different losses", (_OWN,)), ("same losses", (_SHARED, _ORIGINAL))]
    if losses == (_ORIGINAL,):
        return [("same loss", losses)]
    return [(loss, (loss,)) for loss in losses]


def _largest(curves: Sequence[FlatnessCurve], rows: list[tuple[str, tuple[str, ...]]], statistic: Statistic) -> float:
    values = [curve.values(statistic, losses[0]) for curve in curves for _, losses in rows]
    return max((float(v[np.isfinite(v)].max()) for v in values if np.isfinite(v).any()), default=1.0)


def y_limits(
    curves: Sequence[FlatnessCurve | PooledCurve], rows: list[tuple[str, tuple[str, ...]]], statistic: Statistic
) -> tuple[float, float]:
    """Room for every interval and most directions: a single wild one must not flatten all curves."""
    tops, bottoms = [], [0.0]
    for curve in curves:
        for _, losses in rows:
            for loss in losses:
                values, interval = curve.values(statistic, loss), curve.interval(statistic, loss)
                values, interval = values[np.isfinite(values)], interval[np.isfinite(interval)]
                if values.size:
                    tops.append(float(np.quantile(values, 0.985)))
                    bottoms.append(float(values.min()))
                tops += interval.tolist()
    top, bottom = max([*tops, 0.0]), min(bottoms)
    room = 0.05 * (top - bottom) or 1.0
    return bottom - (room if bottom < 0 else 0.0), top + room


def legend_handles(
    curves: Sequence[FlatnessCurve], colours: dict[str, str], rows: list[tuple[str, tuple[str, ...]]]
) -> list[Any]:
    """Methods, the interval and what else the panels draw, for a legend."""
    handles: list[Any] = [
        Line2D([], [], color=colours[curve.method], lw=1.3, marker="o", ms=2.2, mew=0, label=curve.method)
        for curve in curves
    ]
    handles.append(Patch(facecolor="0.5", alpha=0.35, lw=0, label="95 % interval"))
    handles.append(Line2D([], [], color="0.5", lw=0.4, alpha=0.6, label="one direction"))
    if any(len(losses) > 1 for _, losses in rows):
        handles.append(Line2D([], [], color="0.3", lw=1.3, ls="--", label="images alone"))
    return handles
