"""Latent codes in two dimensions: images by colour, classes by marker, mixup codes above them."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from landscape.embedding.embedding import EXTRAPOLATED, INTERPOLATED, Embedding
from landscape.plots import theme
from landscape.plots.canvas import drawn_on
from landscape.plots.captions import seed_words

# Shapes that differ at 3 points; more classes than these share shapes, and the legend says so.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
_MIXUP = {INTERPOLATED: theme.GREY, EXTRAPOLATED: theme.BLACK}

Legend = tuple[list[Line2D], int]
"""Handles and the number of rows that they take."""


def plot_embedding(
    embedding: Embedding,
    ax: Axes | None = None,
    *,
    variant: str | None = None,
    by: str = "domain",
    title: str | None = None,
    faint: bool | None = None,
) -> Axes:
    """The t-SNE of one model's codes: images by colour, classes by marker, one variant's mixup codes above them.

    Args:
        embedding: the codes.
        ax: axes to draw into; by default a new figure's.
        variant: mixup codes to show: interpolated ones in grey, extrapolated ones in black.
        by: colour images by ``domain`` or by ``class``.
        title: what to write above.
        faint: draw the images faintly; None: when there are mixup codes.
    """
    with drawn_on(ax, theme.COLUMN, theme.COLUMN) as ax:
        faint = variant is not None if faint is None else faint
        images = np.arange(embedding.count)
        colours = _domain_list(embedding) if by == "domain" else class_colours(len(embedding.classes))
        values = embedding.domain if by == "domain" else embedding.label
        # In a seeded order: else the last domain would cover the others.
        order = np.random.default_rng(0).permutation(images)
        look = {"s": 6.0, "alpha": 0.3 if faint else 0.75, "linewidths": 0.0, "zorder": 1}
        for label in range(len(embedding.classes)):
            rows = order[embedding.label[order] == label]
            _scatter(ax, embedding.points[rows], label, [colours[value] for value in values[rows]], **look)
        above = {"s": 5.0, "alpha": 0.8, "linewidths": 0.0}
        if variant is not None:
            mixed = embedding.mixed(variant)
            for kind, colour in _MIXUP.items():
                for label in range(len(embedding.classes)):
                    rows = mixed[(embedding.kind[mixed] == kind) & (embedding.label[mixed] == label)]
                    _scatter(ax, embedding.points[rows], label, colour, **above, zorder=1 + kind)
        _frame(ax, embedding)
        ax.set_title(f"t-SNE, {embedding.name}" if title is None else title)
    return ax


def class_colours(count: int) -> list[str]:
    """A colour per class; beyond ten, evenly spaced hues."""
    if count <= 10:
        return [to_hex(mpl.colormaps["tab10"](index)) for index in range(count)]
    return [to_hex(mpl.colormaps["turbo"](index / (count - 1))) for index in range(count)]


def setting_words(embedding: Embedding, seeds: Sequence[int] | None = None) -> str:
    """The first sentence of a caption: data, target, model, seeds, n."""
    about = embedding.about
    seeds = about.get("seeds", []) if seeds is None else seeds
    said = f"; {words}" if (words := seed_words(seeds)) else ""
    size = f", {about['image_size']} px" if "image_size" in about else ""
    name = f", {embedding.name}" if embedding.variants or embedding.coverage else ""
    sources = ", ".join(about["sources"])
    return (
        f"Data {about['data']}, target {about['target']}, sources {sources}; {about['model']}{size}{name}{said}; "
        f"{about['n']['images']:,} images."
    )


def _domain_list(embedding: Embedding) -> list[str]:
    return list(theme.domain_colours(embedding.domains).values())


def _scatter(ax: Axes, points: np.ndarray, label: int, colour: Any, **look: Any) -> None:
    if len(points):
        ax.scatter(points[:, 0], points[:, 1], marker=MARKERS[label % len(MARKERS)], c=colour, rasterized=True, **look)


def frame_ratio(embeddings: Sequence[Embedding]) -> float:
    """Height over width that panels of these embeddings need, at most 1."""
    return min(1.0, max(float(half[1] / half[0]) for _, half in map(_limits, embeddings)))


def _limits(embedding: Embedding) -> tuple[np.ndarray, np.ndarray]:
    """Middle and half extent in x and y of all points, with a margin; no side is under a third of the other."""
    low, high = embedding.points.min(0), embedding.points.max(0)
    half = (high - low) * 0.52
    return (low + high) / 2, np.maximum(half, half.max() / 3)


def _frame(ax: Axes, embedding: Embedding) -> None:
    """All panels of one embedding have the same tight limits; a t-SNE has no unit, so there are no ticks."""
    middle, half = _limits(embedding)
    ax.set_xlim(middle[0] - half[0], middle[0] + half[0])
    ax.set_ylim(middle[1] - half[1], middle[1] + half[1])
    ax.set_aspect("equal", adjustable="box")
    ax.set_xticks([])
    ax.set_yticks([])


def domain_legend(embedding: Embedding, *, mixup: bool = False) -> Legend:
    """Domains by colour, the target named as such, and what the colours of mixup codes mean."""
    target = embedding.about.get("target")
    colours = theme.domain_colours(embedding.domains)
    handles = [_dot(colour, f"{name} (target)" if name == target else name) for name, colour in colours.items()]
    if mixup:
        handles += [_dot(_MIXUP[INTERPOLATED], "interpolated"), _dot(_MIXUP[EXTRAPOLATED], "extrapolated")]
    return [_words("domain:"), *handles], -(-(len(handles) + 1) // 8)


def class_legend(embedding: Embedding, *, coloured: bool = False) -> Legend:
    """Classes by marker, and by colour where images are coloured by class."""
    count = len(embedding.classes)
    colours = class_colours(count) if coloured else ["0.25"] * count
    shown = min(count, 28)
    handles = [_dot(colours[i], embedding.classes[i], MARKERS[i % len(MARKERS)]) for i in range(shown)]
    if shown < count:
        handles.append(_words(f"and {count - shown} more; shapes repeat"))
    return [_words("class:"), *handles], -(-(len(handles) + 1) // 8)


def _words(text: str) -> Line2D:
    return Line2D([], [], ls="", label=text)


def _dot(colour: str, label: str, marker: str = "o") -> Line2D:
    return Line2D([], [], ls="", marker=marker, ms=3.6, color=colour, mew=0, label=label)


def legend_height(legends: Sequence[Legend]) -> float:
    """Inches that :func:`draw_legends` needs."""
    return 0.145 * sum(rows for _, rows in legends) + 0.1


def draw_legends(where: Any, legends: Sequence[Legend]) -> None:
    """Legends one below the other, centred in a part of a figure."""
    total = sum(rows for _, rows in legends)
    top = 1.0
    for handles, rows in legends:
        where.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, top),
            ncols=min(8, len(handles)),
            handletextpad=0.1,
            columnspacing=1.0,
            borderaxespad=0.0,
            borderpad=0.1,
        )
        top -= rows / (total + 0.3)
