"""A plotly figure as data that the page draws in its own colours."""

from typing import Any

import plotly.graph_objects as go


def plain(figure: go.Figure) -> dict[str, Any]:
    """Traces and layout, without a template: light and dark come from the page."""
    drawn: dict[str, Any] = figure.to_plotly_json()
    drawn["layout"].pop("template", None)
    return drawn
