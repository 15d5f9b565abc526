"""Top eigenvalue and trace along training, and the spectral density at its end."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from landscape.errors import InputError
from landscape.flatness.comparison import Flatness
from landscape.flatness.curve import Scope
from landscape.flatness.path import CurvaturePath
from landscape.flatness.spectrum import Matrix
from landscape.plots import theme
from landscape.plots.canvas import page, write_words
from landscape.plots.captions import data_words
from landscape.plots.flatness import method_colours, plot_curve

_NAMES = {"hessian": "Hessian", "ggn": "GGN"}


def plot_curvature(
    path: CurvaturePath,
    scope: Scope | None = None,
    *,
    matrix: Matrix | None = None,
    flatness: Flatness | None = None,
    figure: Figure | None = None,
    note: str = "",
) -> Figure:
    """Largest eigenvalue and trace against the step, one line per path; the density where it was measured.

    Args:
        path: the measured curvature.
        scope: ``full`` or ``classifier``; by default the first that was measured.
        matrix: ``hessian`` or ``ggn``; by default the first that was measured.
        flatness: flatness curves of the same methods, drawn beside.
        figure: a figure to draw into, which is resized to 6.75 inches; by default a new one.
        note: a sentence to add to the caption.

    Raises:
        InputError: that scope and matrix were not measured.
    """
    scope, matrix = scope or path.scopes[0], matrix or path.matrices[0]
    series = {name: path.along(name, scope, matrix) for name in path.paths}
    if not any(series.values()):
        raise InputError(f"no {matrix} of the scope {scope!r} was measured.")
    colours = method_colours(list(series))
    dense = any(point.curvature.density.size for points in series.values() for point in points)
    kinds = ["eigenvalue", "trace", *(["density"] if dense else []), *(["flatness"] if flatness else [])]
    words = textwrap.wrap(caption(path, scope, matrix, note=note), 122, break_on_hyphens=False)
    below = 0.42 + 0.123 * len(words)
    height = (2.1 if len(kinds) < 4 else 1.8) + below
    with page(figure, theme.PAGE, height, below=below) as figure:
        axes = dict(zip(kinds, figure.subplots(1, len(kinds), squeeze=False)[0], strict=True))
        for name, points in series.items():
            _draw_path(axes["eigenvalue"], axes["trace"], name, points, colours[name])
            for point in points:
                if dense and point.curvature.density.size:
                    grid, heights = point.curvature.density
                    axes["density"].plot(grid, heights, "-", color=colours[name], lw=1.0, label=name)
        axes["eigenvalue"].set_title(f"largest eigenvalue, {_NAMES[matrix]}")
        axes["trace"].set_title(f"trace, {_NAMES[matrix]}")
        if dense:
            _finish_density(axes["density"])
        if flatness is not None:
            for curve in flatness.of(scope):
                colour = colours.get(curve.method, theme.method_colour(curve.method))
                plot_curve(curve, axes["flatness"], loss="original", colour=colour, directions=False, title="flatness")
        figure.legend(
            handles=_handles(colours), loc="upper center", bbox_to_anchor=(0.5, (below + 0.02) / height), ncols=6
        )
        write_words(figure, words, below - 0.3)
    return figure


def plot_curvature_panels(path: CurvaturePath, flatness: Flatness, *, figure: Figure | None = None) -> Figure:
    """Largest eigenvalue and trace of all parameters along training, and flatness curves of the same methods beside.

    Args:
        path: the measured curvature.
        flatness: curves of the same methods, on the loss of the training images.
        figure: a figure to draw into, which is resized to 6.75 inches; by default a new one.
    """
    matrix, colours = path.matrices[0], method_colours(list(path.paths))
    height, below = 2.3, 0.3
    with page(figure, theme.PAGE, height, below=below) as figure:
        top, trace, curves = figure.subplots(1, 3)
        for name in path.paths:
            _draw_path(top, trace, name, path.along(name, "full", matrix), colours[name])
        top.set_title(f"largest eigenvalue, {_NAMES[matrix]}")
        trace.set_title(f"trace, {_NAMES[matrix]}")
        for curve in flatness.of("full"):
            colour = colours.get(curve.method, theme.method_colour(curve.method))
            plot_curve(curve, curves, loss="original", colour=colour, title="flatness, last step")
        figure.legend(handles=_handles(colours), loc="lower center", ncols=6)
    return figure


def caption(path: CurvaturePath, scope: Scope, matrix: Matrix, *, note: str = "") -> str:
    """What a reader needs to know: data, model, seed, n, how it was computed, what the bars are."""
    about, sentences = path.about, []
    found = [p.curvature for p in path.points if (p.curvature.scope, p.curvature.matrix) == (scope, matrix)]
    if "data" in about:
        sentences.append(data_words(about))
    moved = "all parameters" if scope == "full" else "the classifier's parameters at fixed latent codes"
    first = found[0]
    sentences.append(
        f"{_NAMES[matrix]} of the mean cross entropy of {first.examples:,} training images in {moved} "
        f"(P = {first.parameters:,})."
    )
    if any(c.trace_error > 0 for c in found):
        sentences.append("Trace: Hutchinson's estimate, bars: its standard error over random vectors.")
    else:
        sentences.append("Trace: exact.")
    worst = max(float((c.residuals / np.abs(c.eigenvalues).clip(1e-300)).max()) for c in found)
    sentences.append(f"Eigenvalues are within a relative {worst:.1g} of one of the matrix's.")
    if any(c.density.size for c in found):
        sentences.append("Density: smoothed, of the last checkpoint.")
    return " ".join([*sentences, note]).strip()


def _handles(colours: Mapping[str, str]) -> list[Line2D]:
    return [
        Line2D([], [], color=colour, lw=1.2, marker="o", ms=2.5, mew=0, label=name) for name, colour in colours.items()
    ]


def _draw_path(top: Axes, trace: Axes, name: str, points: Any, colour: str) -> None:
    steps = [point.step for point in points]
    style: dict[str, Any] = {"color": colour, "lw": 1.2, "marker": "o", "ms": 2.5, "mew": 0, "label": name}
    top.plot(steps, [point.curvature.eigenvalues[0] for point in points], "-", **style)
    errors = np.array([point.curvature.trace_error for point in points])
    trace.errorbar(
        steps, [point.curvature.trace for point in points], yerr=errors, elinewidth=0.7, capsize=1.5, **style
    )
    for ax in (top, trace):
        ax.set_xlabel("step")
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _finish_density(ax: Axes) -> None:
    # Nearly all eigenvalues are close to zero: a linear axis would show a single spike.
    highest = max(float(line.get_ydata().max()) for line in ax.lines)  # type: ignore[union-attr]
    ax.set_yscale("log")
    ax.set_ylim(highest * 1e-7, highest * 3)
    ax.set_xlabel("eigenvalue")
    ax.set_title("spectral density, last step")
    ax.xaxis.set_major_locator(MaxNLocator(4))
