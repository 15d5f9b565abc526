"""Flatness curves as the page shows them: a panel per loss, all methods in it."""

from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import to_rgb

from landscape.explore.figure import plain
from landscape.flatness.comparison import Flatness
from landscape.flatness.curve import STATISTICS, FlatnessCurve, Scope, Statistic
from landscape.plots import theme
from landscape.plots.flatness import caption, method_colours

_SCOPES = {"full": "all parameters", "classifier": "the classifier's parameters"}
_LOSSES = {
    "own": "each method's own training loss (different losses)",
    "shared": "images and mixup codes of one fixed set of groups with frozen weights (same loss)",
    "original": "images alone (same loss)",
}
_UNITS = {"squared": "mean squared change (nat²)", "signed": "mean change (nat)", "absolute": "mean |change| (nat)"}
# The axis ends where nearly all directions have come by: a single wild one would flatten all curves.
_SHOWN = 0.985


def flatness_data(flatness: Flatness) -> dict[str, Any]:
    """For every scope and statistic a panel per loss; numbers as in :meth:`Flatness.summary`."""
    # The printed figure explains its two rows of losses; here every panel is named after its loss.
    without_rows = replace(flatness, about={key: value for key, value in flatness.about.items() if key != "shared"})
    return {
        "target": str(flatness.about.get("target", "")),
        "name": ", ".join(flatness.methods),
        "scopes": [
            {"scope": scope, "title": _SCOPES[scope], "caption": caption(without_rows, scope)}
            for scope in flatness.scopes
        ],
        "statistics": [{"statistic": name, "title": _UNITS[name]} for name in STATISTICS],
        "panels": [
            {
                "scope": scope,
                "statistic": statistic,
                "loss": loss,
                "title": _LOSSES.get(loss, loss),
                "figure": _figure(flatness, scope, statistic, loss),
                "rows": _rows(flatness, scope, statistic, loss),
            }
            for scope in flatness.scopes
            for statistic in STATISTICS
            for loss in flatness.of(scope)[0].losses
        ],
    }


def _rows(flatness: Flatness, scope: Scope, statistic: Any, loss: str) -> list[list[Any]]:
    """Method, gamma, mean, low, high."""
    return [
        [curve.method, *numbers]
        for curve in flatness.of(scope)
        for numbers in zip(
            curve.gamma.tolist(),
            curve.mean(statistic, loss).tolist(),
            *curve.interval(statistic, loss).T.tolist(),
            strict=True,
        )
    ]


def _figure(flatness: Flatness, scope: Scope, statistic: Any, loss: str) -> dict[str, Any]:
    curves = flatness.of(scope)
    colours = method_colours(flatness.methods)
    figure = go.Figure(layout=theme.PLOTLY_LAYOUT)
    for curve in curves:
        for trace in _traces(curve, statistic, loss, colours[curve.method]):
            figure.add_trace(trace)
    figure.update_layout(
        xaxis={"title": {"text": "distance γ"}, "range": [0.0, float(max(c.gamma[-1] for c in curves))]},
        yaxis={"title": {"text": _UNITS[statistic]}, "range": _range(curves, statistic)},
        legend={"y": 1.0, "yanchor": "bottom"},
    )
    return plain(figure)


def _traces(curve: FlatnessCurve, statistic: Statistic, loss: str, colour: str) -> list[go.Scatter]:
    """Directions in one faint line with gaps, the interval as a band, the mean above them."""
    values, mean = curve.values(statistic, loss), curve.mean(statistic, loss)
    low, high = curve.interval(statistic, loss).T
    gap = np.full((1, curve.directions), np.nan)
    each = np.concatenate([np.where(np.isfinite(values), values, np.nan), gap]).T.ravel()
    gammas = np.tile([*curve.gamma, np.nan], curve.directions)
    shared = {"legendgroup": curve.method, "name": curve.method}
    known = np.isfinite(low) & np.isfinite(high)
    around = np.concatenate([curve.gamma[known], curve.gamma[known][::-1]])
    band = np.concatenate([high[known], low[known][::-1]])
    quiet: dict[str, Any] = {"showlegend": False, "hoverinfo": "skip"}
    return [
        go.Scatter(
            x=gammas.tolist(),
            y=each.tolist(),
            mode="lines",
            line={"color": colour, "width": 0.6},
            opacity=0.35,
            meta="directions",
            **shared,
            **quiet,
        ),
        go.Scatter(
            x=around.tolist(),
            y=band.tolist(),
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=f"rgba{(*(round(255 * part) for part in to_rgb(colour)), 0.28)}",
            meta="interval",
            **shared,
            **quiet,
        ),
        go.Scatter(
            x=curve.gamma.tolist(),
            y=mean.tolist(),
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"size": 6, "color": colour},
            customdata=np.stack([low, high], axis=1).tolist(),
            hovertemplate=(
                "%{fullData.name}, γ %{x:.3g}<br>%{y:.3g} [%{customdata[0]:.3g}, %{customdata[1]:.3g}]<extra></extra>"
            ),
            meta="mean",
            **shared,
        ),
    ]


def _range(curves: tuple[FlatnessCurve, ...], statistic: Statistic) -> list[float]:
    """One range for all losses of a scope."""
    tops, bottoms = [1e-12], [0.0]
    for curve in curves:
        for loss in curve.losses:
            for array in (curve.values(statistic, loss), curve.interval(statistic, loss)):
                known = array[np.isfinite(array)]
                if known.size:
                    tops.append(float(np.quantile(known, _SHOWN)))
                    bottoms.append(float(np.quantile(known, 1 - _SHOWN)))
    room = 0.05 * (max(tops) - min(bottoms))
    return [min(bottoms) - (room if min(bottoms) < 0 else 0.0), max(tops) + room]
