"""A loss surface as the page shows it: every quantity and domain over one plane, and the paths step by step."""

import math
from typing import Any

import numpy as np
import xarray as xr

from landscape.explore.figure import plain
from landscape.plots import theme
from landscape.plots.fig6 import caption, mixing_name, row_panels
from landscape.plots.interactive import panel_figure
from landscape.plots.levels import LOSS_STEPS, Levels
from landscape.surface.panels import METRICS, PANELS, panel_of
from landscape.surface.surface import SPLITS, Surface
from landscape.surface.trajectory import Trajectory

# A path point this close to an anchor, relative to the plane's extent, is that anchor.
_SAME = 1e-6


def surface_data(surface: Surface) -> dict[str, Any]:
    """Panels with their figures, domains with theirs, paths with their values.

    All losses have the same levels, and so have all accuracies: colours can be compared between panels.
    """
    levels = {kind: _levels(surface, kind) for kind in ("loss", "accuracy")}

    def drawn(metric: str, **where: str) -> dict[str, Any]:
        return plain(panel_figure(surface, metric, levels=levels[panel_of(metric).kind], **where))

    first = [metric for metric, _, _ in row_panels(surface)]
    keys = [*first, *(name for name in surface.panels if name not in first)]
    titles = {key: PANELS[key].title for key in keys} | {"fgmix_train_loss": f"{mixing_name(surface)} train loss"}
    return {
        "target": str(surface.about.get("target", "")),
        "name": ", ".join(dict.fromkeys(path.label for path in surface.trajectories)) or "surface",
        "caption": caption(surface) + f" Loss contours every {levels['loss'].step:g} nat, the same in all panels.",
        "x": surface.x.tolist(),
        "y": surface.y.tolist(),
        "panels": [{"key": key, "title": titles[key], "figure": drawn(key)} for key in keys],
        "domains": [
            {**part, "figure": drawn(part["metric"], domain=part["domain"], split=part["split"])}
            for part in _parts(surface)
        ],
        "paths": [_path(surface, path, keys) for path in surface.trajectories],
    }


def _levels(surface: Surface, kind: str) -> Levels:
    panels = [name for name in surface.panels if panel_of(name).kind == kind]
    arrays = [surface.panel(name).values for name in panels]
    arrays += [surface.values[name].values for name in METRICS if panel_of(name).kind == kind]
    if kind != "loss":
        return Levels.of(*arrays)
    at_anchors = [mark.true[name] for mark in surface.anchors for name in panels]
    return Levels.of(*arrays, reference=max(at_anchors, default=None), count=LOSS_STEPS)


def _parts(surface: Surface) -> list[dict[str, Any]]:
    """Every metric of every domain and split that has n images."""
    found = []
    for metric in METRICS:
        splits = SPLITS if metric == "balanced_accuracy" else (*SPLITS, "all")
        for domain in map(str, surface.values["domain"].values):
            counts = surface.values["n"].sel(domain=domain)
            for split in splits:
                n = int(counts.sum() if split == "all" else counts.sel(split=split))
                if n:
                    found.append({"metric": metric, "split": split, "domain": domain, "n": n})
    return found


def _path(surface: Surface, path: Trajectory, keys: list[str]) -> dict[str, Any]:
    """A path's points: where they are, the grid's value at their projection, and the true value where it is known."""
    where = {"x": xr.DataArray(path.x, dims="point"), "y": xr.DataArray(path.y, dims="point")}
    return {
        "name": path.name,
        "kind": path.kind,
        "colour": theme.method_colour(path.label),
        "step": path.step.tolist(),
        "x": path.x.tolist(),
        "y": path.y.tolist(),
        "residual": path.residual.tolist(),
        "at": {key: surface.panel(key).interp(where).values.tolist() for key in keys},
        "true": [_true(surface, path, index) for index in range(len(path))],
    }


def _true(surface: Surface, path: Trajectory, index: int) -> dict[str, float] | None:
    """Values at the checkpoint itself: those of an anchor, or of the path's end."""
    extent = float(np.hypot(np.ptp(surface.x), np.ptp(surface.y)))
    for mark in surface.anchors:
        away = math.hypot(path.x[index] - mark.x, path.y[index] - mark.y, path.residual[index])
        if away < _SAME * extent:
            return dict(mark.true)
    if index == len(path) - 1 and path.kind == "raw":
        return next((dict(mark.true) for mark in surface.ends if mark.label == path.label), None)
    return None
