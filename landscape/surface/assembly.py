"""From the rows of a journal to a surface."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from landscape.surface.meter import Row, metric_values, panel_values
from landscape.surface.panels import METRICS
from landscape.surface.plan import LABELS, Plan
from landscape.surface.refine import Refined, interpolate
from landscape.surface.surface import SPLITS, Mark, Surface, empty_values


def assemble(plan: Plan, rows: Mapping[str, Row], refined: Refined, about: Mapping[str, Any]) -> Surface:
    """The surface of a plan whose rows are all there; what was not measured is predicted from its neighbours."""
    task, grid = plan.setting.task, plan.grid
    domains, shape = task.images.domains, (len(grid.y), len(grid.x))
    n = np.array([[len(task.rows(domain, split)) for split in ("in", "out")] for domain in domains])
    first = rows["anchor:0"]
    panels = list(first["panels"])
    arrays: dict[str, np.ndarray] = {name: np.full(shape, np.nan) for name in panels}
    halves: dict[str, np.ndarray] = {name: np.full(shape, np.nan) for name in first.get("half", {})}
    metrics: dict[str, np.ndarray] = {name: np.full((len(domains), len(SPLITS), *shape), np.nan) for name in METRICS}
    for i, j in zip(*np.nonzero(refined.measured), strict=True):
        row = rows[f"grid:{i}:{j}"]
        for name, value in panel_values(row).items():
            arrays[name][i, j] = value
        for name, value in panel_values(row, "half").items():
            halves[name][i, j] = value
        for name, array in metrics.items():
            array[:, :, i, j] = metric_values(row, name, n)
    for name, array in itertools.chain(arrays.items(), metrics.items()):
        for flat in array.reshape(-1, *shape):
            _fill(flat, refined.measured, name)
    values = empty_values(grid.x, grid.y, panels=panels, domains=domains, n=n, intervals=list(halves))
    for name, array in {**arrays, **metrics, **{f"half_{name}": half for name, half in halves.items()}}.items():
        values[name].values[...] = array
    if not refined.measured.all():
        words = {"long_name": "1: evaluated; 0: predicted from its neighbours"}
        values["measured"] = (("y", "x"), refined.measured.astype(np.int8), words)
    return Surface(values, tuple(_marks(plan, rows)), plan.trajectories, about)


def _fill(values: np.ndarray, measured: np.ndarray, name: str) -> None:
    """Put predictions where nothing was measured, in place; nothing where there are no images."""
    if measured.all() or np.isnan(values[measured]).any():
        return
    at, wanted = np.argwhere(measured), np.argwhere(~measured)
    values[~measured] = interpolate(at.astype(float), values[measured], wanted.astype(float), name)


def _marks(plan: Plan, rows: Mapping[str, Row]) -> Iterator[Mark]:
    for index, (label, name) in enumerate(zip(LABELS, plan.setting.names, strict=False)):
        x, y = plan.plane.anchors[index]
        at = panel_values(rows[f"anchor:{index}"])
        yield Mark(label, name, "anchor", x, y, 0.0, at, at)
    for index, end in enumerate(plan.ends):
        path = end.trajectory
        yield Mark(
            label=path.name,
            name=f"step {path.step[-1]}",
            role="end",
            x=float(path.x[-1]),
            y=float(path.y[-1]),
            residual=float(path.residual[-1]),
            true=panel_values(rows[f"end:{index}"]),
            projected=panel_values(rows[f"projected:{index}"]),
        )
