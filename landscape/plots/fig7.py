"""The toy example of Appendix A: gradients, aggregated directions, and its table (FGMix, Figure 7)."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.plots import theme
from landscape.plots.canvas import drawn_on
from landscape.toy import ToyExample

if TYPE_CHECKING:
    import pandas as pd

_NAMES = tuple(f"domain {i + 1}" for i in range(4))
_METHODS = (("erm", "ERM"), ("and_mask", "AND-Mask"), ("fgmix", "FGMix"))


def plot_four_gradients(example: ToyExample, ax: Axes | None = None) -> Axes:
    """The four gradients with their weights.

    Args:
        example: the numbers of Appendix A.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, 2.8) as ax:
        _cross(ax)
        colours = theme.domain_colours(_NAMES)
        for index, (gradient, name) in enumerate(zip(example.gradients, _NAMES, strict=True)):
            _arrow(ax, gradient, colours[name])
            end = 1 + 0.2 / np.linalg.norm(gradient)
            ax.text(
                end * gradient[0],
                end * gradient[1],
                f"$g_{index + 1}$, $w_{index + 1}$ = {example.weights[index]:.3f}",
                ha="center",
                va="bottom" if gradient[1] > 0 else "top",
                fontsize=7,
            )
        ax.set_xlim(-2.3, 1.8)
        ax.set_ylim(-1.75, 1.75)
        ax.set_xticks([-2, -1, 0, 1])
        ax.set_yticks([-1, 0, 1])
    return ax


def plot_directions(example: ToyExample, ax: Axes | None = None) -> Axes:
    """The aggregated gradients of ERM, AND-Mask and FGMix, and the cosines between them.

    Args:
        example: the numbers of Appendix A.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, 2.8) as ax:
        _cross(ax)
        # The shortest on top: AND-Mask's and FGMix's lie nearly on one line.
        for attribute, name in sorted(_METHODS, key=lambda item: -np.linalg.norm(getattr(example, item[0]))):
            _arrow(ax, getattr(example, attribute), theme.method_colour(name), width=1.8)
        for (attribute, name), (dx, dy) in zip(_METHODS, ((-0.4, -0.07), (-0.45, 0.06), (0, 0.06)), strict=True):
            end = getattr(example, attribute)
            ax.text(
                end[0] + dx,
                end[1] + dy,
                f"{name} " + _minus(f"({end[0]:.2f}, {end[1] + 0.0:.2f})"),
                color=theme.method_colour(name),
                va="top" if dy < 0 else "bottom",
                fontsize=7,
            )
        pairs = ((0, 1), (2, 1), (2, 0))
        lines = [
            f"cos({_METHODS[a][1]}, {_METHODS[b][1]}) = {example.cosine(_METHODS[a][0], _METHODS[b][0]):.4f}"
            for a, b in pairs
        ]
        ax.text(0.03, 0.04, "\n".join(lines), transform=ax.transAxes, fontsize=7, linespacing=1.4)
        ax.set_xlim(-2.05, 0.4)
        ax.set_ylim(-1.35, 0.75)
    return ax


def plot_table(example: ToyExample, digits: "pd.DataFrame", ax: Axes | None = None) -> Axes:
    """The table of the appendix with as many digits as it prints; a number that differs from the print is in red.

    Args:
        example: gives the size.
        digits: a row per printed number: ``quantity``, ``paper``, ``ours``, ``same``.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, 2.8) as ax:
        ax.set_axis_off()
        n = len(example.gradients)
        found = {row["quantity"]: (row["ours"], row["same"]) for row in digits.to_dict("records")}
        head = ["", "gradient", *(rf"$\cos(\cdot, g_{j + 1})$" for j in range(n)), "sum", "softmax weight"]
        x = [0.0, 0.08, 0.27, 0.39, 0.51, 0.63, 0.75, 0.87]
        for column, words in zip(x, head, strict=True):
            ax.text(column, 0.9, words, fontsize=7, va="center")
        ax.plot([0, 1], [0.79, 0.79], color="0.3", lw=0.6, clip_on=False)
        for i in range(n):
            name, height = f"g{i + 1}", 0.66 - 0.175 * i
            parts = [found[f"gradient {name} component_{k}"] for k in (1, 2)]
            cells = [(f"({parts[0][0]}, {parts[1][0]})", parts[0][1] and parts[1][1])]
            for j in range(n):
                # The paper leaves out the gradient's cosine with itself.
                cells.append(found.get(f"pairwise_cosine {name} g{j + 1}", ("–", True)))
            cells += [found[f"sum_of_cosines {name} others"], found[f"softmax_weight {name} self"]]
            ax.text(x[0], height, f"$g_{i + 1}$", fontsize=7.5, va="center")
            for column, (words, same) in zip(x[1:], cells, strict=True):
                colour = "black" if same else theme.VERMILLION
                ax.text(column, height, _minus(words), fontsize=7, va="center", color=colour)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
    return ax


def plot_fig7(example: ToyExample, digits: "pd.DataFrame") -> Figure:
    """Gradients, directions, and the table below them (Figure 7 and the table of Appendix A)."""
    same = int(digits.same.sum())
    with theme.style():
        figure = Figure(figsize=(theme.PAGE, 4.25), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=[2.95, 1.3])
        plot_four_gradients(example, figure.add_subplot(grid[0, 0])).set_title("(a) gradients of four domains")
        plot_directions(example, figure.add_subplot(grid[0, 1])).set_title("(b) aggregated gradients")
        table = plot_table(example, digits, figure.add_subplot(grid[1, :]))
        table.set_title(f"(c) {same} of {len(digits)} printed numbers agree in every digit")
    return figure


def _minus(words: str) -> str:
    """Numbers with the minus sign that the ticks have."""
    return words.replace("-", "\N{MINUS SIGN}")


def _cross(ax: Axes) -> None:
    ax.axhline(0, color="0.8", lw=0.6, zorder=0)
    ax.axvline(0, color="0.8", lw=0.6, zorder=0)
    ax.set_aspect("equal")
    ax.set_xlabel("component 1")
    ax.set_ylabel("component 2")


def _arrow(ax: Axes, end: np.ndarray, colour: str, *, width: float = 1.4) -> None:
    ax.annotate(
        "",
        (end[0], end[1]),
        (0, 0),
        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0},
    )
