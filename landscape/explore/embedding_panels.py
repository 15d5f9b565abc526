"""A t-SNE as the page shows it: points that know their image, mixup codes that know their members and weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from landscape.embedding.embedding import EXTRAPOLATED, INTERPOLATED, KINDS, Embedding
from landscape.explore.figure import plain
from landscape.plots import theme
from landscape.plots.embedding import MARKERS, class_colours, setting_words

# The printed figures' markers, in plotly's words.
_SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "<": "triangle-left",
    ">": "triangle-right",
    "p": "pentagon",
    "h": "hexagon",
    "*": "star",
}
_MIXUP = {INTERPOLATED: theme.GREY, EXTRAPOLATED: theme.BLACK}
# Beyond so many points the browser draws on the graphics card.
_MANY = 6000


def embedding_data(embedding: Embedding, places: Sequence[int] = ()) -> dict[str, Any]:
    """Points with all that is known about them, and a figure for images by domain, by class, and per mixup.

    Args:
        embedding: the codes.
        places: of each image in the album of thumbnails; empty: there are none.
    """
    images = embedding.count
    return {
        "target": str(embedding.about.get("target", "")),
        "name": embedding.name,
        "caption": f"{setting_words(embedding)} A place in a t-SNE is no evidence of anything; coverage and mixing are "
        "measured in latent space.",
        "x": embedding.points[:, 0].tolist(),
        "y": embedding.points[:, 1].tolist(),
        "label": embedding.label.tolist(),
        "domain": embedding.domain.tolist(),
        "kind": embedding.kind.tolist(),
        "variant": embedding.variant.tolist(),
        "members": [
            [int(i) for i in row if i >= 0] if at >= images else [] for at, row in enumerate(embedding.members)
        ],
        "weights": [
            [float(w) for w, i in zip(ws, row, strict=True) if i >= 0] if at >= images else []
            for at, (ws, row) in enumerate(zip(embedding.weights, embedding.members, strict=True))
        ],
        "heldOut": embedding.held_out.tolist(),
        "files": list(embedding.files),
        "thumb": list(places),
        "classes": list(embedding.classes),
        "domains": list(embedding.domains),
        "variants": list(embedding.variants),
        "kinds": list(KINDS),
        "images": {by: _image_traces(embedding, by) for by in ("domain", "class")},
        "mixups": {name: _mixup_traces(embedding, name) for name in embedding.variants},
        "layout": _layout(embedding),
    }


def _image_traces(embedding: Embedding, by: str) -> list[dict[str, Any]]:
    """A trace per domain, or per class; the marker says the class."""
    target = embedding.about.get("target")
    if by == "domain":
        of, names = embedding.domain, embedding.domains
        colours = list(theme.domain_colours(names).values())
    else:
        of, names = embedding.label, embedding.classes
        colours = class_colours(len(names))
    return [
        _trace(
            embedding,
            np.flatnonzero(of[: embedding.count] == index),
            name=f"{name} (target)" if by == "domain" and name == target else name,
            marker={"color": colours[index], "size": 6, "line": {"width": 0}},
            opacity=0.75,
        )
        for index, name in enumerate(names)
    ]


def _mixup_traces(embedding: Embedding, variant: str) -> list[dict[str, Any]]:
    rows = embedding.mixed(variant)
    return [
        _trace(
            embedding,
            rows[embedding.kind[rows] == kind],
            name=KINDS[kind],
            marker={"color": colour, "size": 5, "line": {"width": 0}},
            opacity=0.8,
        )
        for kind, colour in _MIXUP.items()
    ]


def _trace(embedding: Embedding, rows: np.ndarray, **look: Any) -> dict[str, Any]:
    kind = go.Scatter if len(embedding.points) <= _MANY else go.Scattergl
    look["marker"]["symbol"] = [_SYMBOLS[MARKERS[label % len(MARKERS)]] for label in embedding.label[rows]]
    trace = kind(
        x=embedding.points[rows, 0].tolist(),
        y=embedding.points[rows, 1].tolist(),
        mode="markers",
        customdata=rows.tolist(),
        hoverinfo="none",  # the card beside the figure says it
        **look,
    )
    return trace.to_plotly_json()


def _layout(embedding: Embedding) -> dict[str, Any]:
    """Square limits, no ticks: a t-SNE has no unit."""
    low, high = embedding.points.min(0), embedding.points.max(0)
    middle, half = (low + high) / 2, float((high - low).max()) * 0.53 or 1.0
    bare = {"showticklabels": False, "ticks": "", "zeroline": False, "showgrid": False, "mirror": True}
    (x0, y0), (x1, y1) = (middle - half).tolist(), (middle + half).tolist()
    layout = {
        **theme.PLOTLY_LAYOUT,
        "xaxis": {**bare, "range": [x0, x1]},
        "yaxis": {**bare, "range": [y0, y1], "scaleanchor": "x"},
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "legend": {"orientation": "h", "y": -0.02, "x": 0, "itemsizing": "constant"},
        "hovermode": "closest",
    }
    return plain(go.Figure(layout=layout))["layout"]
