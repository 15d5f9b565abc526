"""FGMix's figure 4: images, random interpolations and the run's own codes in one t-SNE, with the coverage below."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.embedding.embedding import Embedding
from landscape.embedding.estimate import Estimate
from landscape.plots import theme
from landscape.plots.canvas import page, write_words
from landscape.plots.embedding import (
    class_legend,
    domain_legend,
    draw_legends,
    frame_ratio,
    legend_height,
    plot_embedding,
    setting_words,
)

if TYPE_CHECKING:
    import pandas as pd

_LINE = 0.123  # inches of a line of the caption
_WIDTH = 122  # characters of it


def plot_fig4(
    embedding: Embedding, *, variants: Sequence[str] | None = None, figure: Figure | None = None, note: str = ""
) -> Figure:
    """Images; the same with random interpolations; the same with the run's own codes (FGMix paper, Figure 4).

    One joint t-SNE, so that the panels share axes. Below: the share of target codes inside the hull of their
    class, and the distance to the nearest code, each beside its two controls.

    Args:
        embedding: what was embedded.
        variants: mixups to show, a panel each; by default the last two.
        figure: a figure to draw into, which is resized to 6.75 inches; by default a new one.
        note: a sentence to add to the caption.
    """
    shown = list(embedding.variants[-2:] if variants is None else variants)
    words = textwrap.wrap(fig4_caption(embedding, note=note), _WIDTH)
    legends = [domain_legend(embedding, mixup=bool(shown)), class_legend(embedding)]
    panels, tall = 1 + len(shown), bool(embedding.coverage)
    columns = max(panels, 2)
    below = 0.15 + _LINE * len(words)
    side = theme.PAGE / columns * frame_ratio([embedding])
    heights = [side + 0.3, legend_height(legends), *([1.95] if tall else [])]
    height = sum(heights) + below
    letters = iter("abcdefghij")
    with page(figure, theme.PAGE, height, below=below) as figure:
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        axes = parts[0].subplots(1, columns, sharex=True, sharey=True, squeeze=False)[0]
        titles = ["images", *(f"images and {_variant_words(name)}" for name in shown)]
        for ax, title, variant in zip(axes, titles, [None, *shown], strict=False):
            plot_embedding(embedding, ax, variant=variant, title=f"({next(letters)}) {title}")
        for ax in axes[panels:]:
            ax.set_axis_off()
        draw_legends(parts[1], legends)
        if tall:
            left, right = parts[2].subplots(1, 2, width_ratios=(3, 2))
            plot_hull_shares(embedding, left, title=f"({next(letters)}) inside the hull of the class")
            plot_distances(embedding, right, title=f"({next(letters)}) nearest code of the class")
            parts[2].legend(handles=coverage_handles(embedding), loc="outside lower center", ncols=5, handletextpad=0.2)
        write_words(figure, words, below - 0.05)
    return figure


def plot_hull_shares(embedding: Embedding, ax: Axes, *, title: str = "") -> Axes:
    """Share of images inside the hull of their class over d, for target and held-out sources, with intervals."""
    rows = _rows(embedding, "inside")
    dimensions = list(dict.fromkeys(row.dimension for row in rows))
    # An interpolation has the sources' hull: one set of points for both.
    pools = [pool for pool in _pools(rows) if pool not in _without_effect(embedding)]
    offsets = np.linspace(-0.24, 0.24, 2 * len(pools))
    for row in rows:
        if row.pool in pools:
            filled = row.query == "target"
            place = offsets[2 * pools.index(row.pool) + (not filled)]
            _errorbar(ax, dimensions.index(row.dimension) + place, row, filled)
    ax.set_xticks(range(len(dimensions)), [f"d = {d}" for d in dimensions])
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("share inside")
    ax.set_title(title)
    return ax


def plot_distances(embedding: Embedding, ax: Axes, *, title: str = "") -> Axes:
    """Mean distance to the nearest code of the class, in all dimensions, for target and held-out sources."""
    whole = embedding.codes.shape[1]
    rows = [row for row in _rows(embedding, "distance") if row.dimension == whole]
    pools = _pools(rows)
    for row in rows:
        filled = row.query == "target"
        _errorbar(ax, pools.index(row.pool) + (-0.1 if filled else 0.1), row, filled)
    ax.set_xticks(range(len(pools)), [pool.replace("control of ", "control\n") for pool in pools])
    ax.set_xlim(-0.5, len(pools) - 0.5)
    ax.margins(y=0.12)
    ax.set_ylabel("latent distance")
    ax.set_title(title)
    return ax


def plot_gains(table: "pd.DataFrame", *, over: str = "", figure: Figure | None = None) -> Figure:
    """What FGMix's codes cover more than the control's, for several targets: hull shares over d, and distances.

    Filled: target codes; hollow: held-out source codes in their place, which cover nothing that is asked for. A gain
    is evidence of coverage of the target where the filled one differs from 0, more so where it differs from the hollow.

    Args:
        table: one row for each target, measure (``inside``, ``distance``), d and query, with the columns
            ``difference``, ``low`` and ``high``.
        over: which run it is and what the intervals are over, for the titles.
        figure: a figure to draw into, which is resized to 6.75 inches; by default a new one.
    """
    height = 2.3 + (0.18 if over else 0.0)
    own = table[~table["query"].str.contains(" - ")]
    targets = list(dict.fromkeys(own["target"]))
    colours = theme.domain_colours(targets)
    with page(figure, theme.PAGE, height) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(3, 1.4))
        for ax, measure, title in (
            (left, "inside", "(a) inside the hull of the class"),
            (right, "distance", "(b) nearest code of the class"),
        ):
            rows = own[own["measure"] == measure]
            dimensions = sorted(set(rows["d"]))
            offsets = np.linspace(-0.36, 0.36, 2 * len(targets))
            for target, d, query, value, low, high in rows[
                ["target", "d", "query", "difference", "low", "high"]
            ].itertuples(index=False):
                place = dimensions.index(d) + offsets[2 * targets.index(target) + (query != "target")]
                _mark(ax, place, (value, low, high), colours[target], query == "target", f"{target}, {query}")
            ax.axhline(0, color="0.5", lw=0.6, zorder=0)
            ax.set_xticks(range(len(dimensions)), [f"d = {d}" for d in dimensions])
            ax.set_xlim(-0.5, max(len(dimensions), 1) - 0.5)
            ax.set_title(title)
        if over:
            figure.suptitle(f"FGMix - control: {over}", fontsize=7.5)
        left.set_ylabel("FGMix - control, share")
        right.set_ylabel("FGMix - control, distance")
        handles = [_dot(colours[target], f"target {target}") for target in targets]
        words = {"target": "target codes", "held-out sources": "held-out source codes"}
        handles += [
            _dot("0.2", words[query], filled=query == "target") for query in words if query in set(own["query"])
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=6, handletextpad=0.2, columnspacing=1.0)
    return figure


def coverage_handles(embedding: Embedding) -> list[Line2D]:
    """The legend of both coverage panels: pools by colour, queries by filling."""
    same = _without_effect(embedding)
    words = {"sources": "sources" + "".join(f" = sources + {name}" for name in same if name != "sources")}
    rows = _rows(embedding, "inside")
    handles = [
        _dot(_pool_colour(pool), words.get(pool, f"sources + {pool}")) for pool in _pools(rows) if pool not in same
    ]
    queries = dict.fromkeys(row.query for row in rows)
    return handles + [_dot("0.2", query, filled=query == "target") for query in queries]


def fig4_caption(embedding: Embedding, *, note: str = "") -> str:
    """What a reader needs to know: data, model, seed, n, extrapolated share, what is evidence and what is not."""
    about, n = embedding.about, embedding.about["n"]
    sentences = [
        setting_words(embedding),
        "One joint t-SNE, the same groups in every panel; a position in it is no evidence.",
    ]
    if embedding.variants:
        shares = "; ".join(
            f"{name}: {n['mixup'][name]:,} codes, {embedding.extrapolated(name):.1%} extrapolated"
            for name in embedding.variants
        )
        sentences.append(f"Mixup {shares}.")
    if embedding.coverage:
        dims = ", ".join(f"{share:.0%} at d = {d}" for d, share in about["explained"])
        held = f" and {n['held_out']:,} held-out source images (hollow)" if n["held_out"] else ""
        sentences.append(
            f"Below: {n['target']:,} target images (filled){held} against {n['pool']:,} in-split source codes, per "
            f"class, alone or with mixup codes; PCA fitted on the sources, variance kept {dims}."
        )
        controls = [name for name in embedding.variants if embedding.extrapolated(name)]
        if controls:
            draws = about["recipe"]["draws"]
            sentences.append(
                "Control: random weights + Eq. 5 for the same groups, as many of them extrapolated (how far is not "
                f"matched); mean of {draws} draws."
            )
        sentences.append(
            "Interpolation can never enlarge a hull and any extrapolation can: only the difference from the controls "
            "is evidence of coverage. The distance axis does not start at 0. 95 % intervals over images, of this one "
            "run."
        )
    return " ".join([*sentences, note]).strip()


def _rows(embedding: Embedding, measure: str) -> list[Estimate]:
    """The estimates of a measure, without differences."""
    rows = [row for row in embedding.coverage if row.measure == measure and " - " not in row.query]
    return [row for row in rows if not row.pool.endswith(" - control")]


def _pools(rows: Sequence[Estimate]) -> list[str]:
    return list(dict.fromkeys(row.pool for row in rows))


def _without_effect(embedding: Embedding) -> list[str]:
    """Mixups that extrapolate nowhere: with them a hull is the sources' own."""
    return [name for name in embedding.variants if not embedding.extrapolated(name)]


def _variant_words(name: str) -> str:
    return {"A": "random interpolations", "A0": "copies"}.get(name, f"{name} codes")


def _pool_colour(pool: str) -> str:
    if pool == "sources":
        return theme.GREY
    return theme.SKY if pool.startswith("control") else theme.method_colour(pool)


def _errorbar(ax: Axes, x: float, row: Estimate, filled: bool) -> None:
    _mark(ax, x, (row.value, row.low, row.high), _pool_colour(row.pool), filled, f"{row.query}: {row.pool}")


def _mark(ax: Axes, x: float, ends: tuple[float, float, float], colour: str, filled: bool, label: str) -> None:
    """A value with its interval; hollow or filled."""
    value, low, high = ends
    look: dict[str, Any] = {
        "ms": 3.2,
        "mew": 0.8,
        "elinewidth": 0.8,
        "color": colour,
        "mfc": colour if filled else "white",
    }
    reach = [[max(value - low, 0.0)], [max(high - value, 0.0)]]
    ax.errorbar([x], [value], yerr=reach, fmt="o", label=label, **look)


def _dot(colour: str, label: str, *, filled: bool = True) -> Line2D:
    face = colour if filled else "white"
    return Line2D([], [], ls="", marker="o", ms=3.2, mew=0.8, color=colour, mfc=face, label=label)
