"""Learned scores against cosines as the page shows them: a panel per ordered pair of domains."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from landscape.correlation.association import Association
from landscape.correlation.samples import DomainPair
from landscape.explore.figure import plain
from landscape.intervals import Interval
from landscape.plots import theme
from landscape.plots.correlation import caption


def association_data(association: Association, places: Sequence[Sequence[Sequence[int]]] = ()) -> dict[str, Any]:
    """Panels that share their axes, and the table of all estimates with their place among untrained scores.

    Args:
        association: the result.
        places: for every panel, of each pair's two images in the album of thumbnails; empty: there are none.
    """
    scores = np.concatenate([pair.score for pair in association.pairs])
    cosines = np.concatenate([pair.cosine for pair in association.pairs])
    ranges = {"xaxis": _padded(cosines), "yaxis": _padded(scores)}
    colours = theme.domain_colours(association.about.get("sources") or [pair.first for pair in association.pairs])
    table = association.summary()
    return {
        "target": str(association.about.get("target", "")),
        "name": str(association.about.get("name", "scores")),
        "caption": caption(association),
        "panels": [
            {
                "title": pair.name,
                "first": pair.first,
                "second": pair.second,
                "estimate": words(pair.rho),
                "thumb": [list(each) for each in places[index]] if places else [],
                "figure": _figure(pair, colours[pair.first], ranges),
            }
            for index, pair in enumerate(association.pairs)
        ],
        "columns": [str(name) for name in table.columns],
        "rows": table.values.tolist(),
    }


def words(one: Interval) -> str:
    """Rho with its interval and p."""
    if np.isnan(one.value):
        return "ρ undefined"
    interval = "" if np.isnan(one.low) else f" [{one.low:.2f}, {one.high:.2f}]"
    p = "" if np.isnan(one.p) else f", p {'< 0.0001' if one.p < 1e-4 else f'= {one.p:.2g}'}"
    return f"ρ = {one.value:.2f}{interval}{p}, n = {one.n}"


def _figure(pair: DomainPair, colour: str, ranges: dict[str, list[float]]) -> dict[str, Any]:
    figure = go.Figure(
        go.Scatter(
            x=pair.cosine.tolist(),
            y=pair.score.tolist(),
            mode="markers",
            marker={"color": colour, "size": 6, "line": {"width": 0}},
            opacity=0.65,
            hovertemplate="cosine %{x:.3f}<br>score %{y:.3f}<extra></extra>",
            name=pair.name,
        ),
        layout=theme.PLOTLY_LAYOUT,
    )
    figure.update_layout(
        xaxis={"title": {"text": "cosine of the gradients"}, "range": ranges["xaxis"]},
        yaxis={"title": {"text": "score S"}, "range": ranges["yaxis"]},
        hovermode="closest",
    )
    return plain(figure)


def _padded(values: np.ndarray) -> list[float]:
    room = 0.05 * float(np.ptp(values)) or 1.0
    return [float(values.min()) - room, float(values.max()) + room]
