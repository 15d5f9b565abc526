"""FGMix's figure 9: the same images under two models, one t-SNE each, by class and by domain."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

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

_LINE = 0.123  # inches of a line of the caption
_WIDTH = 122  # characters of it


def plot_fig9(
    embeddings: Sequence[Embedding],
    *,
    differences: Sequence[Estimate] = (),
    figure: Figure | None = None,
    note: str = "",
) -> Figure:
    """The same images under two or more models, by class and by domain (FGMix paper, Figure 9).

    One t-SNE per model: codes of two networks have nothing to do with each other. Positions and distances
    therefore compare within a panel only; the caption has the measures from latent space.

    Args:
        embeddings: one per model, of the same images; a column each.
        differences: of the mixing measures, from :func:`landscape.embedding.compare`.
        figure: a figure to draw into, which is resized; by default a new one.
        note: a sentence to add to the caption.
    """
    first = embeddings[0]
    words = textwrap.wrap(fig9_caption(embeddings, differences=differences, note=note), _WIDTH)
    legends = [class_legend(first, coloured=True), domain_legend(first)]
    side = min(theme.PAGE / len(embeddings) * frame_ratio(embeddings), 2.6)
    below = 0.15 + _LINE * len(words)
    heights = [2 * (side + 0.28), legend_height(legends)]
    height = sum(heights) + below
    with page(figure, theme.PAGE, height, below=below) as figure:
        top, bottom = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
        axes = top.subplots(2, len(embeddings), squeeze=False)
        letters = iter("abcdefgh")
        for row, by in zip(axes, ("class", "domain"), strict=True):
            for ax, embedding in zip(row, embeddings, strict=True):
                plot_embedding(embedding, ax, by=by, title=f"({next(letters)}) {embedding.name}, by {by}")
        draw_legends(bottom, legends)
        write_words(figure, words, below - 0.05)
    return figure


def fig9_caption(embeddings: Sequence[Embedding], *, differences: Sequence[Estimate] = (), note: str = "") -> str:
    """Data, model, seeds, n, and the mixing measures of every model with their intervals over images."""
    first = embeddings[0]
    sentences = [
        setting_words(first, seeds=sorted({seed for each in embeddings for seed in each.about.get("seeds", [])})),
        f"The same {first.count:,} images, one t-SNE per model: positions compare within a panel only.",
    ]
    names = {each.name: each.name.rpartition(", step")[0] or each.name for each in embeddings}
    if len(set(names.values())) < len(names):
        names = {name: name for name in names}
    for measure in dict.fromkeys(row.measure for row in first.mixing):
        parts, shuffled = [], ""
        for embedding in embeddings:
            row = next((r for r in embedding.mixing if r.measure == measure and r.pool == "all domains"), None)
            if row is not None:
                parts.append(f"{names[embedding.name]} {row.value:.4f} [{row.low:.4f}, {row.high:.4f}]")
                if row.reference == row.reference:
                    shuffled = f" (shuffled domains: {row.reference:.4f})"
        if parts:
            sentences.append(f"{_measure_words(measure, first)}: {', '.join(parts)}{shuffled}.")
        for row in differences:
            if row.measure == measure and row.pool == "all domains":
                words = " - ".join(names.get(name, name) for name in row.query.split(" - "))
                sentences.append(f"{words}, paired: {row.value:+.4f} [{row.low:+.4f}, {row.high:+.4f}].")
    sentences.append("Measured in latent space; 95 % intervals over images, one run each.")
    return " ".join([*sentences, note]).strip()


def _measure_words(measure: str, embedding: Embedding) -> str:
    return {
        "domain entropy": f"{embedding.about['recipe']['neighbours']}-NN domain entropy within class, nat",
        "domain silhouette": "Silhouette by domain within class",
        "class silhouette": "Silhouette by class",
    }[measure]
