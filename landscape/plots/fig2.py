"""The schematic of FGMix: training with augmented codes, and the weight policy (FGMix, Figure 2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from landscape.plots import theme

if TYPE_CHECKING:
    from landscape.figures.numbers.anatomy import Anatomy

Kind = Literal["tensor", "base", "policy", "discriminator", "loss"]

_FILL: dict[Kind, str] = {
    "tensor": "#FFFFFF",
    "base": "#CFE3F1",
    "policy": "#FBE6C0",
    "discriminator": "#F3DCE8",
    "loss": "#E2E2E2",
}
_WORDS: dict[Kind, str] = {
    "tensor": "tensor",
    "base": "base model (Eq. 2)",
    "policy": "weight policy (Eq. 8)",
    "discriminator": "discriminator (Eq. 7)",
    "loss": "objective",
}
# Inches: the axes' units are those of the page.
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 1.18, 0.66, 1.37, 0.98
_LEFT = 0.04

Place = tuple[int, int]
"""Column from the left and row from the top."""


def plot_fig2(parts: "Anatomy") -> Figure:
    """Both panels at full width.

    Args:
        parts: shapes and parameter counts of a run.
    """
    with theme.style():
        figure = Figure(figsize=(theme.PAGE, 5.75), layout="constrained")
        # The panels' heights are in inches, and so are their units.
        upper, lower = figure.subplots(2, 1, gridspec_kw={"height_ratios": [2, 3.2], "hspace": 0.0})
        plot_training(parts, upper)
        plot_policy(parts, lower)
        figure.legend(
            handles=[Patch(fc=_FILL[kind], ec="0.3", lw=0.6, label=words) for kind, words in _WORDS.items()],
            loc="outside lower center",
            ncols=len(_WORDS),
            columnspacing=1.3,
            handlelength=1.4,
        )
    return figure


def plot_training(parts: "Anatomy", ax: Axes | None = None) -> Axes:
    """Training with augmented codes: images to latent codes, mixup codes beside them, one loss (Eqs. 1, 2).

    Args:
        parts: shapes and parameter counts of a run.
        ax: axes to draw into; by default a new figure's.
    """
    with theme.style():
        ax = _page(ax, rows=2)
        n, batch = parts.sources, parts.images[0] // parts.sources
        _box(ax, (0, 0), "minibatches", [f"{n} sources \N{MULTIPLICATION SIGN} {batch}", _shape(parts.images)])
        _box(ax, (1, 0), "featurizer $F$", [_name(parts.model), _count(parts, "featurizer")], "base")
        _box(ax, (2, 0), "latent codes $z$", [_shape(parts.codes)])
        _box(
            ax,
            (3, 0),
            "classifier $C$",
            [_chain((parts.codes[1], parts.logits[1])), _count(parts, "classifier")],
            "base",
        )
        _box(ax, (4, 0), "loss (Eq. 2)", ["cross entropy of", f"logits {_shape(parts.logits)}"], "loss")
        _box(ax, (0, 1), "labels $y$", [f"{n} \N{MULTIPLICATION SIGN} {batch}"])
        _box(ax, (1, 1), "groups", [f"one class, {parts.groups[1]} sources", _shape(parts.groups)])
        _box(ax, (2, 1), "weight policy (b)", [r"weights $\tilde w$", _shape(parts.weights)], "policy")
        _box(ax, (3, 1), r"mixup codes $\tilde z$", ["weighted sums (Eq. 1)", _shape(parts.mixed)])
        for column in range(4):
            _arrow(ax, (column, 0), (column + 1, 0))
        for column in range(3):
            _arrow(ax, (column, 1), (column + 1, 1))
        _arrow(ax, (0, 0), (0, 1))
        _arrow(ax, (2, 0), (2, 1))
        _arrow(ax, (3, 1), (3, 0))
        x, y = _centre((4, 1))
        ax.text(x, y, "gradients reach $F$\nthrough $z$ and $\\tilde z$;\n$\\tilde w$ is held constant", **_small())
        ax.set_title(f"(a) training with augmented codes, from step {parts.start} on", loc="left")
    return ax


def plot_policy(parts: "Anatomy", ax: Axes | None = None) -> Axes:
    """The weight policy (Eqs. 3-5) and its objective (Eqs. 6-8).

    Args:
        parts: shapes and parameter counts of a run.
        ax: axes to draw into; by default a new figure's.
    """
    with theme.style():
        ax = _page(ax, rows=3, below=0.16)
        delta = [] if parts.factors is None else [rf"$\delta$ {_shape(parts.factors[0])} and $z$"]
        n = parts.weights[1]
        _box(ax, (0, 0), "gradients $g$", [_shape(parts.gradients), *delta])
        _box(ax, (1, 0), "pairs $[g_i; g_j]$", [f"{n * (n - 1)} a group", _shape(parts.pairs)])
        _box(ax, (2, 0), r"score $S_\phi$", [_chain(parts.score_layers), _count(parts, "score")], "policy")
        _box(ax, (3, 0), "sums $s$ (Eq. 3)", [r"of $S(g_i, g_j)$, $j \neq i$", _shape(parts.weights)])
        _box(ax, (4, 0), "softmax $w$ (Eq. 4)", [_shape(parts.weights)])
        scale = [r"$\lambda w_i + (1 - \lambda) / n$", rf"$\lambda$ = {parts.scale:.3f}, from {parts.scale_init:g}"]
        _box(ax, (4, 1), "scale, shift (Eq. 5)", scale, "policy")
        _box(ax, (3, 1), r"mixup codes $\tilde z$", [_shape(parts.mixed)])
        flat = [f"{parts.directions} directions, {parts.gradients[1]:,}", rf"coordinates, $\gamma$ = {parts.radius:g}"]
        _box(ax, (2, 1), r"$L_\mathrm{flat}$ (Eq. 6)", flat, "loss")
        total = [rf"$L_\mathrm{{flat}} + {parts.eta:g}\, L_\mathrm{{adv}}$"]
        _box(ax, (1, 1), "objective (Eq. 8)", total, "loss")
        widths = [_chain(parts.discriminator_layers), _count(parts, "discriminator")]
        _box(ax, (3, 2), "discriminator", widths, "discriminator")
        prior = [r"$N(\mu, \mathrm{diag}\,\sigma^2)$", f"of {parts.codes[1]:,} coordinates"]
        _box(ax, (4, 2), "prior", prior)
        _box(ax, (2, 2), r"$L_\mathrm{adv}$ (Eq. 7)", ["prior or mixup?"], "loss")
        for column in range(4):
            _arrow(ax, (column, 0), (column + 1, 0))
        for start, end in (((4, 0), (4, 1)), ((4, 1), (3, 1)), ((3, 1), (2, 1)), ((2, 1), (1, 1)), ((3, 1), (3, 2))):
            _arrow(ax, start, end)
        _arrow(ax, (4, 2), (3, 2))
        _arrow(ax, (3, 2), (2, 2))
        (x, y), (bottom, row) = _centre((1, 1)), _centre((2, 2))
        _path(ax, [(bottom - _WIDTH / 2, row), (x, row), (x, y - _HEIGHT / 2)])
        # The gradient of Eq. 8: up to S, and round the third row to lambda.
        (score, top), (_, scale_row), (right, low) = _centre((2, 0)), _centre((4, 1)), _centre((4, 2))
        above = (top + y) / 2
        _path(
            ax,
            [(x + 0.2, y + _HEIGHT / 2), (x + 0.2, above), (score, above), (score, top - _HEIGHT / 2)],
            dashed=True,
        )
        edge, floor = right + _WIDTH / 2 + 0.09, low - _HEIGHT / 2 - 0.11
        _path(
            ax,
            [
                (x - 0.2, y - _HEIGHT / 2),
                (x - 0.2, floor),
                (edge, floor),
                (edge, scale_row),
                (right + _WIDTH / 2, scale_row),
            ],
            dashed=True,
        )
        x, y = _centre((0, 1))
        ax.text(x, (y + low) / 2, "dashed: gradient of\nEq. 8; codes and\nclassifier are\nheld constant", **_small())
        ax.set_title("(b) the weight policy and what it learns from", loc="left")
    return ax


def _page(ax: Axes | None, *, rows: int, below: float = 0.04) -> Axes:
    """Axes without frame whose units are inches."""
    height = (rows - 1) * _DOWN + _HEIGHT + below + 0.04
    if ax is None:
        ax = Figure(figsize=(theme.PAGE, height + 0.4), layout="constrained").add_subplot()
    ax.set_axis_off()
    ax.set_xlim(0, _LEFT + 4 * _ACROSS + _WIDTH + 0.13)
    ax.set_ylim(-(rows - 1) * _DOWN - _HEIGHT / 2 - below, _HEIGHT / 2 + 0.04)
    return ax


def _centre(place: Place) -> tuple[float, float]:
    column, row = place
    return _LEFT + column * _ACROSS + _WIDTH / 2, -row * _DOWN


def _box(ax: Axes, place: Place, title: str, lines: Sequence[str], kind: Kind = "tensor") -> None:
    x, y = _centre(place)
    rounding = 0.0 if kind == "tensor" else 0.08
    ax.add_patch(
        FancyBboxPatch(
            (x - _WIDTH / 2, y - _HEIGHT / 2),
            _WIDTH,
            _HEIGHT,
            boxstyle=f"round,pad=0,rounding_size={rounding}" if rounding else "square,pad=0",
            fc=_FILL[kind],
            ec="0.3",
            lw=0.7,
            zorder=2,
        )
    )
    pitch = 0.155
    first = y + pitch * len(lines) / 2
    ax.text(x, first, title, ha="center", va="center", fontsize=7.5, zorder=3)
    for index, line in enumerate(lines, start=1):
        ax.text(x, first - pitch * index, line, ha="center", va="center", fontsize=6.5, color="0.15", zorder=3)


def _arrow(ax: Axes, start: Place, end: Place) -> None:
    """From one box to its neighbour, across or down."""
    (x, y), (u, v) = _centre(start), _centre(end)
    dx, dy = (u > x) - (u < x), (v > y) - (v < y)
    half = _WIDTH / 2 if dx else _HEIGHT / 2
    _path(ax, [(x + dx * half, y + dy * half), (u - dx * half, v - dy * half)])


def _path(ax: Axes, corners: Sequence[tuple[float, float]], *, dashed: bool = False) -> None:
    """A line with corners and an arrow head at its end."""
    style: dict[str, Any] = {"color": theme.VERMILLION if dashed else "0.2", "lw": 0.9}
    if len(corners) > 2:
        ax.plot(*zip(*corners[:-1], strict=True), ls="--" if dashed else "-", zorder=1, **style)
    ax.annotate(
        "",
        corners[-1],
        corners[-2],
        arrowprops={"arrowstyle": "-|>", "mutation_scale": 7, "shrinkA": 0, "shrinkB": 0, **style},
    )


def _small() -> dict[str, Any]:
    return {"ha": "center", "va": "center", "fontsize": 6.8, "color": "0.2", "linespacing": 1.35}


def _shape(shape: Sequence[int]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(f"{size:,}" for size in shape)


def _chain(widths: Sequence[int]) -> str:
    # Thin spaces: the widths of a large classifier's gradients have to fit a box.
    return "\N{THIN SPACE}\N{RIGHTWARDS ARROW}\N{THIN SPACE}".join(f"{width:,}" for width in widths)


def _count(parts: "Anatomy", name: str) -> str:
    count = parts.parameters[name]
    # From ten millions on the digits do not fit a box; the table has them.
    return f"{count:,} parameters" if count < 10**7 else f"{count / 10**6:,.1f} M parameters"


def _name(model: str) -> str:
    """A model's name that fits a box."""
    return model if len(model) <= 20 else f"{model[:18]}\N{HORIZONTAL ELLIPSIS}"
