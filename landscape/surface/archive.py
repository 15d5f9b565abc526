"""A surface in one netCDF file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from landscape.result_file import ResultFile
from landscape.surface.surface import FORMAT, Mark, Surface
from landscape.surface.trajectory import Trajectory

_FILE = ResultFile("a surface", "about", FORMAT, "python -m landscape.surface")


def write(surface: Surface, path: Path | str) -> Path:
    """Write everything to one netCDF file, atomically."""
    about = {
        **surface.about,
        "paths": [
            {"label": path_.label, "kind": path_.kind, "explained": _finite_or_none(path_.explained)}
            for path_ in surface.trajectories
        ],
        "marks": [_plain(mark) for mark in surface.marks],
    }
    return _FILE.write(path, _dataset(surface), about)


def read(path: Path | str) -> Surface:
    """Read what :func:`write` wrote.

    Raises:
        InputError: no such file, or not a surface.
    """
    with _FILE.reading(path) as (stored, about):
        paths, marks = about.pop("paths"), about.pop("marks")
        columns = {name: stored[f"path_{name}"].values for name in ("index", "step", "x", "y", "residual")}
        trajectories = []
        for index, path_ in enumerate(paths):
            rows = columns["index"] == index
            explained = math.nan if path_["explained"] is None else path_["explained"]
            arrays = {name: values[rows] for name, values in columns.items() if name != "index"}
            trajectories.append(Trajectory(path_["label"], path_["kind"], **arrays, explained=explained))
        values = stored.drop_dims("path_point").drop_attrs(deep=False)
        return Surface(values, tuple(_mark(mark) for mark in marks), tuple(trajectories), about)


def _dataset(surface: Surface) -> xr.Dataset:
    """Grid and paths in one dataset."""
    paths = surface.trajectories
    index = np.repeat(np.arange(len(paths)), [len(path) for path in paths]).astype(np.int64)
    columns: dict[str, tuple[np.ndarray, str]] = {"index": (index, "which path; see the attribute `about`")}
    columns["step"] = (_joined([path.step for path in paths], np.int64), "updates")
    for name, words in (("x", "first coordinate"), ("y", "second coordinate"), ("residual", "distance from plane")):
        columns[name] = (_joined([getattr(path, name) for path in paths], np.float64), words)
    return surface.values.assign(
        {f"path_{name}": ("path_point", array, {"long_name": words}) for name, (array, words) in columns.items()}
    )


def _joined(arrays: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype), *arrays]).astype(dtype)


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(mark: Mark) -> dict[str, Any]:
    """JSON knows no NaN and no infinity; a null value stands for a loss that overflowed."""
    values = {
        name: {panel: _finite_or_none(value) for panel, value in getattr(mark, name).items()}
        for name in ("true", "projected")
    }
    return {**vars(mark), **values}


def _mark(stored: dict[str, Any]) -> Mark:
    for name in ("true", "projected"):
        stored[name] = {panel: math.inf if value is None else value for panel, value in stored[name].items()}
    return Mark(**stored)
