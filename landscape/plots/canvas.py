"""What plots draw on: the axes or the figure that they are given, or new ones, under the theme."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure

from landscape.plots import theme


def new_figure(width: float, height: float) -> Figure:
    """A figure of a size in inches, which a notebook shows by itself."""
    # The one use of pyplot: it registers the figure. It is never asked to show anything.
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(width, height), layout="constrained")


@contextmanager
def drawn_on(ax: Axes | None, width: float, height: float) -> Iterator[Axes]:
    """The axes, or by default those of a new figure of a size in inches."""
    with theme.style():
        yield new_figure(width, height).add_subplot() if ax is None else ax


@contextmanager
def page(
    figure: Figure | None, width: float, height: float, *, below: float = 0.0, **spaces: float
) -> Iterator[Figure]:
    """The figure, or by default a new one, resized, with room below its axes.

    Args:
        figure: a figure to draw into.
        width: in inches.
        height: in inches.
        below: inches of the height that are left for a legend and words.
        spaces: between axes, as matplotlib's constrained layout takes them.
    """
    with theme.style():
        figure = figure or new_figure(width, height)
        figure.set_size_inches(width, height)
        figure.set_layout_engine("constrained", rect=(0, below / height, 1, 1 - below / height), **spaces)
        yield figure


def write_words(figure: Figure, lines: Sequence[str], top: float) -> None:
    """A caption's lines at the left, from `top` inches above the bottom downwards."""
    figure.text(0.015, top / figure.get_figheight(), "\n".join(lines), va="top", fontsize=7, color="0.15")


def write_below(figure: Figure, handles: Sequence[Artist], lines: Sequence[str], below: float) -> None:
    """A legend at the top of the room below the axes, and a caption's lines under it.

    Args:
        figure: what :func:`page` gave.
        handles: of the legend.
        lines: of the caption.
        below: inches of that room.
    """
    figure.legend(
        handles=list(handles),
        loc="upper center",
        bbox_to_anchor=(0.5, (below + 0.02) / figure.get_figheight()),
        ncols=6,
        handlelength=1.8,
        columnspacing=1.3,
    )
    write_words(figure, lines, below - 0.3)


def colour_bar(ax: Axes, label: str, **options: Any) -> Colorbar:
    """A bar for the filled contours of `ax`, its first collection, beside it and as tall as it.

    Args:
        ax: axes with contours.
        label: of the bar.
        options: of the bar, as matplotlib takes them.
    """
    # An inset is as tall as the axes also when equal units make them flat.
    bar = ax.figure.colorbar(ax.collections[0], cax=ax.inset_axes((1.04, 0, 0.05, 1)), **options)
    bar.set_label(label, labelpad=2)
    bar.outline.set_linewidth(0.6)
    return bar
