"""Curvature at the checkpoints along training: the result and its file.

path = CurvaturePath.measure("RUN_A", "RUN_B@swa")
path.plot()
path.to_dataframe()
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import xarray as xr

from landscape.flatness.recipe import ALONG, CurvatureRecipe, Matrix, Scope
from landscape.flatness.spectrum import Curvature
from landscape.result_file import ResultFile

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import nn

    from landscape.data import Task
    from landscape.opened import Reference
    from landscape.overrides import Changes

FORMAT = 1
_FILE = ResultFile("a curvature result", "curvature", FORMAT, "python -m landscape.flatness --curvature")
_WORDS = {
    "smallest": "smallest eigenvalue",
    "trace": "sum of the eigenvalues",
    "trace_error": "standard error of the trace over random vectors",
}


@dataclass(frozen=True)
class PathPoint:
    """The curvature at one checkpoint.

    Attributes:
        path: whose path it is on (``FGMix``, ``FGMix + SWA``).
        step: updates behind it.
        checkpoint: its file, with its folder.
        curvature: what was measured.
    """

    path: str
    step: int
    checkpoint: str
    curvature: Curvature


@dataclass(frozen=True)
class CurvaturePath:
    """Top eigenvalues, trace and spectral density at the checkpoints along one or several runs.

    Attributes:
        points: one per path, checkpoint, scope and matrix.
        about: data, target, model, counts, notes, provenance.
    """

    points: tuple[PathPoint, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def measure(
        cls,
        *references: "Reference",
        data: "Task | str | None" = None,
        network: "nn.Module | str | None" = None,
        recipe: CurvatureRecipe = ALONG,
        device: str = "auto",
        journal: Path | str | None = None,
        progress: bool = True,
        **changes: "Unpack[Changes]",
    ) -> "CurvaturePath":
        """Measure the training loss's curvature along the runs of some checkpoints, up to each of them.

        Args:
            references: checkpoint files, ``RUN[@STEP|@swa]`` or checkpoints. ``RUN`` means the path of the raw
                iterates, ``RUN@swa`` that of the averages; a checkpoint outside a run is one point.
            data: a task, or the name of the data, in place of the checkpoints' own.
            network: a module, or a model's name, likewise.
            recipe: scopes, matrices, images, eigenvalues, random vectors, and which checkpoints.
            device: ``auto``, ``cpu`` or ``cuda``.
            journal: a file that keeps what has been measured; an interrupted call with the same inputs continues.
            progress: show a bar with the time left.
            changes: ``root``, ``target`` and so on; see :meth:`landscape.opened.Opened.open`.

        Raises:
            InputError: checkpoints that do not fit together, or settings that make no sense.
        """
        from landscape.flatness.curvature import CurvaturePlan, measure
        from landscape.opened import Opened

        opened = Opened.open(references, data, network=network, progress=progress, **changes)
        plan = CurvaturePlan.of(opened, recipe)
        return measure(plan, device=device, journal=journal, progress=progress)

    @property
    def paths(self) -> tuple[str, ...]:
        """Names of the paths in order."""
        return tuple(dict.fromkeys(point.path for point in self.points))

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that were measured."""
        return tuple(dict.fromkeys(point.curvature.scope for point in self.points))

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """The matrices that were measured."""
        return tuple(dict.fromkeys(point.curvature.matrix for point in self.points))

    def along(self, path: str, scope: Scope, matrix: Matrix = "hessian") -> tuple[PathPoint, ...]:
        """The points of one path in order of steps."""
        return tuple(
            point
            for point in self.points
            if (point.path, point.curvature.scope, point.curvature.matrix) == (path, scope, matrix)
        )

    def to_dataframe(self) -> "pd.DataFrame":
        """One row per point: path, step, scope, matrix, eigenvalues with residuals, trace with its error."""
        import pandas as pd

        rows = []
        for point in self.points:
            c = point.curvature
            row: dict[str, Any] = {"path": point.path, "step": point.step, "scope": c.scope, "matrix": c.matrix}
            for k, (value, residual) in enumerate(zip(c.eigenvalues, c.residuals, strict=True), start=1):
                row |= {f"eigenvalue_{k}": value, f"residual_{k}": residual}
            row |= {name: getattr(c, name) for name in _WORDS}
            rows.append(row | {"parameters": c.parameters, "examples": c.examples, "method": c.method})
        return pd.DataFrame(rows)

    def plot(self, **options: Any) -> "Figure":
        """Top eigenvalue and trace against the step; see :func:`landscape.plots.curvature.plot_curvature`."""
        from landscape.plots.curvature import plot_curvature

        return plot_curvature(self, **options)

    def save(self, path: Path | str) -> Path:
        """Write everything to one netCDF file, atomically."""
        points = [
            {
                "path": point.path,
                "step": point.step,
                "checkpoint": point.checkpoint,
                "eigenvalues": len(c.eigenvalues),
                "density": bool(c.density.size),
                "curvature": {
                    name: getattr(c, name) for name in ("matrix", "scope", "parameters", "examples", "method")
                },
            }
            for point in self.points
            for c in [point.curvature]
        ]
        return _FILE.write(path, self._dataset(), {**self.about, "points": points})

    @classmethod
    def load(cls, path: Path | str) -> "CurvaturePath":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or no curvature.
        """
        with _FILE.reading(path) as (stored, about):
            points = []
            for i, each in enumerate(about.pop("points")):
                count, known = each.pop("eigenvalues"), each.pop("density")
                c = Curvature(
                    eigenvalues=stored["eigenvalue"].values[i, :count],
                    residuals=stored["residual"].values[i, :count],
                    density=stored["density"].values[i] if known else np.empty((2, 0)),
                    smallest=float(stored["smallest"].values[i]),
                    trace=float(stored["trace"].values[i]),
                    trace_error=float(stored["trace_error"].values[i]),
                    **each.pop("curvature"),
                )
                points.append(PathPoint(**each, curvature=c))
            return cls(tuple(points), about)

    def _dataset(self) -> xr.Dataset:
        found = [point.curvature for point in self.points]
        widest = max(len(c.eigenvalues) for c in found)
        grid = max(c.density.shape[1] for c in found)

        def padded(arrays: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
            result = np.full((len(arrays), *shape), math.nan)
            for row, array in zip(result, arrays, strict=True):
                row[tuple(slice(0, n) for n in array.shape)] = array
            return result

        variables: dict[str, Any] = {
            "eigenvalue": (("point", "rank"), padded([c.eigenvalues for c in found], (widest,))),
            "residual": (("point", "rank"), padded([c.residuals for c in found], (widest,))),
            "density": (("point", "axis", "grid"), padded([c.density for c in found], (2, grid))),
            "step": ("point", np.array([point.step for point in self.points], dtype=np.int64)),
        }
        for name, words in _WORDS.items():
            variables[name] = ("point", np.array([getattr(c, name) for c in found]), {"long_name": words})
        return xr.Dataset(variables)

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        table = self.to_dataframe().to_html(index=False, float_format="{:.4g}".format)
        return f"<p>Curvature at {len(self.points)} points</p>{table}"
