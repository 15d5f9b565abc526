"""The same panels as a page to explore: hover for coordinates, values, steps and distances from the plane.

The page works offline: the script lies beside it, once for all pages of a folder.
"""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from landscape.plots import theme
from landscape.plots.fig6 import caption, losses_of, row_panels
from landscape.plots.levels import Levels, loss_levels
from landscape.plots.surface import are_few, look_of
from landscape.storage import atomic_write
from landscape.surface.panels import in_tables
from landscape.surface.surface import Surface
from landscape.surface.trajectory import Trajectory

SCRIPT = "plotly.min.js"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<script src="{script}"></script>
<style>
  body {{ font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 0 auto; max-width: 1500px; padding: 12px; }}
  h1 {{ font-size: 1.25em; margin: .2em 0 .6em; }}
  main {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 10px; }}
  section {{ min-width: 0; }}
  h2 {{ font-size: 1.05em; margin: .3em 0 0; }}
  .wide {{ overflow-x: auto; }}
  table {{ border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }}
  th, td {{ text-align: right; padding: .2em .7em; border-bottom: 1px solid #ddd; white-space: nowrap; }}
  th:first-child, td:first-child {{ text-align: left; }}
  details {{ color: #555; }}
  pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<h1>{title}</h1>
<main>
{panels}
</main>
<p>{caption}</p>
<div class="wide">{table}</div>
<details><summary>What made this page</summary><pre>{provenance}</pre></details>
<script>
  // A panel measures its cell when it is drawn, before the later ones have narrowed it.
  addEventListener("load", () => document.querySelectorAll(".plotly-graph-div").forEach(p => Plotly.Plots.resize(p)));
</script>
</body>
</html>
"""


def surface_figures(surface: Surface) -> list[go.Figure]:
    """The panels of figure 6 as plotly figures, with the same levels and ranges as the printed ones."""
    panels = row_panels(surface)
    losses = losses_of(surface)
    shared = loss_levels(surface, losses)
    figures = []
    for metric, _, paths in panels:
        levels = shared if metric in losses else Levels.of(surface.panel(metric).values)
        figures.append(panel_figure(surface, metric, levels=levels, paths=paths))
    return figures


def write_page(surface: Surface, path: Path | str, *, note: str = "") -> Path:
    """Write the page, and beside it the script that it needs.

    Args:
        surface: the measured surface.
        path: the page; its folder gets ``plotly.min.js``.
        note: a sentence to add to the caption.

    Returns:
        The page's path.
    """
    path = Path(path)
    write_script(path.parent)
    panels = row_panels(surface)
    about = surface.about
    title = f"Loss surface: {about['data']}, target {about['target']}, {about['model']}" if about else "Loss surface"
    text = caption(surface, levels=loss_levels(surface, losses_of(surface)), note=note)
    page = _PAGE.format(
        title=html.escape(title),
        script=SCRIPT,
        panels="\n".join(
            f"<section><h2>{html.escape(name)}</h2>{_panel(figure, index)}</section>"
            for index, (figure, (_, name, _)) in enumerate(zip(surface_figures(surface), panels, strict=True))
        ),
        caption=html.escape(text),
        table=_table(surface),
        provenance=html.escape(provenance_words(about)),
    )
    atomic_write(path, page)
    return path


def write_script(folder: Path) -> Path:
    """Put plotly's own script into a folder, once for all its pages."""
    script = folder / SCRIPT
    content = get_plotlyjs()
    if not script.is_file() or script.stat().st_size != len(content.encode()):
        atomic_write(script, content)
    return script


def provenance_words(about: Mapping[str, Any]) -> str:
    """What made a result, as a page shows it."""
    return json.dumps(about.get("provenance", {}), indent=1, sort_keys=True)


def _panel(figure: go.Figure, index: int) -> str:
    content: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"panel-{index}",  # a random one otherwise
        config={"responsive": True, "displayModeBar": False, "scrollZoom": False},
        default_width="100%",
        default_height="430px",
    )
    return content


def panel_figure(
    surface: Surface,
    metric: str,
    *,
    levels: Levels,
    domain: str | None = None,
    split: str = "all",
    paths: Sequence[str] | None = None,
) -> go.Figure:
    """One panel: contours, measured points if they are few, paths and anchors.

    Args:
        surface: the measured surface.
        metric: a panel, or with `domain` a metric of that domain.
        levels: contour levels.
        domain: show this domain.
        split: ``in``, ``out`` or ``all`` of that domain.
        paths: labels of the paths to draw; all by default.
    """
    look = look_of(metric)
    values = surface.panel(metric, domain=domain, split=split).values
    first, last = float(levels.values[0]), float(levels.values[-1])
    figure = go.Figure(
        go.Contour(
            x=surface.x.tolist(),
            y=surface.y.tolist(),
            z=np.where(np.isfinite(values), values, np.where(np.isposinf(values), 2 * last, np.nan)).tolist(),
            colorscale=theme.plotly_scale(look.map),
            zmin=first,
            zmax=last,
            contours={"start": first, "end": last, "size": levels.step},
            line={"color": "white", "width": 0.5},
            colorbar={"title": {"text": look.unit}, "tickformat": look.tickformat, "thickness": 12},
            hovertemplate=f"x %{{x:.3f}}<br>y %{{y:.3f}}<br>{look.hover}<extra></extra>",
            name=metric,
        )
    )
    if are_few(surface):
        figure.add_trace(_points(surface, values))
    for path in surface.trajectories:
        if paths is None or path.label in paths:
            figure.add_trace(_path(path))
    figure.add_trace(_anchors(surface, None if domain else metric))
    figure.update_layout(
        **theme.PLOTLY_LAYOUT,
        xaxis={"title": {"text": "distance along e<sub>1</sub>"}, "range": _ends(surface.x)},
        yaxis={"title": {"text": "distance along e<sub>2</sub>"}, "range": _ends(surface.y)},
    )
    return figure


def _ends(axis: np.ndarray) -> list[float]:
    return [float(axis[0]), float(axis[-1])]


def _points(surface: Surface, values: np.ndarray) -> go.Scatter:
    yy, xx = np.meshgrid(surface.y, surface.x, indexing="ij")
    known = ~np.isnan(values)
    return go.Scatter(
        x=xx[known].tolist(),
        y=yy[known].tolist(),
        mode="markers",
        marker={"size": 3, "color": "black", "line": {"color": "white", "width": 0.5}},
        hoverinfo="skip",
        name="measured point",
        showlegend=False,
    )


def _path(path: Trajectory) -> go.Scatter:
    swa = path.kind == "swa"
    return go.Scatter(
        x=path.x.tolist(),
        y=path.y.tolist(),
        mode="lines+markers",
        line={"color": theme.method_colour(path.label), "width": 4 if swa else 1.5},
        marker={"size": 6, "color": "white", "line": {"color": theme.method_colour(path.label), "width": 1.5}},
        customdata=[[int(step), float(residual)] for step, residual in zip(path.step, path.residual, strict=True)],
        hovertemplate=(
            f"{html.escape(path.name)}, step %{{customdata[0]}}<br>x %{{x:.3f}}, y %{{y:.3f}}"
            "<br>%{customdata[1]:.3f} off the plane<extra></extra>"
        ),
        name=path.name,
    )


def _anchors(surface: Surface, metric: str | None) -> go.Scatter:
    """The anchors with their true values, which are known for panels over all domains."""
    marks = surface.anchors
    value = f"<br>{look_of(metric).hover.replace('z:', 'customdata[1]:')}" if metric else ""
    return go.Scatter(
        x=[mark.x for mark in marks],
        y=[mark.y for mark in marks],
        mode="markers+text",
        text=[mark.label for mark in marks],
        textposition="top center",
        textfont={"size": 13, "color": "black", "shadow": "0 0 2px white, 0 0 3px white, 0 0 4px white"},
        marker={"symbol": "diamond", "size": 9, "color": "black", "line": {"color": "white", "width": 1}},
        customdata=[[html.escape(mark.name), mark.true[metric] if metric else None] for mark in marks],
        hovertemplate=f"%{{text}}: %{{customdata[0]}}{value}<extra></extra>",
        name="anchor",
        showlegend=False,
    )


def _table(surface: Surface) -> str:
    """Anchors and path ends: the true values beside those at the projection."""
    columns = in_tables(surface.panels)
    head = ["", "off the plane", *(f"{words}{where}" for words in columns.values() for where in ("", ", projected"))]
    rows = []
    for mark in surface.marks:
        cells: list[Any] = [f"{mark.label}: {mark.name}", f"{mark.residual:.3g}"]
        for name in columns:
            form = look_of(name).cell
            cells += [form.format(mark.true[name]), form.format(mark.projected[name])]
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    titles = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>" if rows else ""
