"""Loss and accuracy over a plane of weight space: the result, its file and its table.

No torch in here: a stored surface opens and redraws without it.

    surface = Surface.through("RUN_A@0", "RUN_A@swa", "RUN_B@swa")
    surface.plot()
    surface.save("surface.nc")
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from landscape.errors import InputError, unknown_choice
from landscape.storage import atomic_path
from landscape.surface.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import nn

    from landscape.data import Task
    from landscape.evaluation.evaluator import Precision
    from landscape.opened import Reference

FORMAT = 1

# Panels: what one number a grid point can say. Name -> (words, unit).
PANELS: dict[str, tuple[str, str]] = {
    "train_loss": ("mean cross entropy of the sources' in-split images", "nat"),
    "train_accuracy": ("accuracy on the sources' in-split images", "1"),
    "mixup_loss": ("mean cross entropy of the mixup codes", "nat"),
    "fgmix_train_loss": ("mean cross entropy of in-split source images and mixup codes, pooled", "nat"),
    "test_loss": ("mean cross entropy of the target domain's images", "nat"),
    "test_accuracy": ("accuracy on the target domain", "1"),
    "test_balanced_accuracy": ("mean of the per-class recalls on the target domain", "1"),
}
# The same per domain and split.
METRICS: dict[str, tuple[str, str]] = {
    "loss": ("mean cross entropy", "nat"),
    "accuracy": ("accuracy", "1"),
    "balanced_accuracy": ("mean of the per-class recalls", "1"),
}
SPLITS = ("in", "out")


@dataclass(frozen=True)
class Mark:
    """A checkpoint on the plane: an anchor, or the end of a path.

    Attributes:
        label: ``w1``, or the path's name.
        name: the checkpoint in words (``ERM + SWA, step 160``).
        role: ``anchor`` or ``end`` of a path.
        x: first coordinate of its projection.
        y: second coordinate.
        residual: its distance from the plane.
        true: value of every panel at the checkpoint itself.
        projected: value of every panel at its projection; the same for an anchor, which lies on the plane.
    """

    label: str
    name: str
    role: Literal["anchor", "end"]
    x: float
    y: float
    residual: float
    true: Mapping[str, float]
    projected: Mapping[str, float]


@dataclass(frozen=True)
class Surface:
    """Loss and accuracy on a grid over a plane of weight space (FGMix paper, section 4.5.2 and Appendix D).

    Attributes:
        values: the grid. Every panel of :data:`PANELS` as ``(y, x)``; ``loss``, ``accuracy`` and
            ``balanced_accuracy`` as ``(domain, split, y, x)``; ``n`` images as ``(domain, split)``. Losses are
            in nats, accuracies fractions, x and y weight-space distances. NaN: not evaluated; an infinite loss
            was evaluated and overflowed.
        marks: anchors and path ends.
        trajectories: the paths, projected.
        about: what was evaluated: data, target, model, seed, counts, angle of the anchors, notes, provenance.
    """

    values: xr.Dataset
    marks: tuple[Mark, ...] = ()
    trajectories: tuple[Trajectory, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def through(
        cls,
        a: "Reference",
        b: "Reference",
        c: "Reference",
        data: "Task | str | None" = None,
        *,
        network: "nn.Module | str | None" = None,
        target: str | None = None,
        data_dir: str | None = None,
        root: Path | str = "checkpoints",
        points: int = 7,
        margin: float = 0.2,
        x_range: tuple[float, float] | None = None,
        y_range: tuple[float, float] | None = None,
        device: str = "auto",
        precision: "Precision" = "fp32",
        batch_size: int | None = None,
        journal: Path | str | None = None,
        progress: bool = True,
    ) -> "Surface":
        """Measure the surface on the plane through three checkpoints; `a` is the plane's origin.

        Network, data, target and split come from the checkpoints unless they are given.

        Args:
            a: a checkpoint file, ``RUN[@STEP|@swa]``, a :class:`~landscape.checkpoint.Checkpoint`, or a mapping
                of weights.
            b: the second checkpoint, on the x axis.
            c: the third.
            data: a :class:`~landscape.data.Task`, or the name of the data.
            network: a module, or a model's name.
            target: the domain to test on.
            data_dir: folder that holds the downloaded data sets.
            root: folder of the run folders.
            points: points along each axis.
            margin: room around paths and anchors on each side, as a fraction of their extent.
            x_range: first and last x, in place of the computed ones.
            y_range: first and last y.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            precision: ``fp32``, ``bf16``, or ``fp64`` for checks.
            batch_size: images a forward pass; None: chosen by the device.
            journal: a file that keeps what has been evaluated; an interrupted call with the same inputs continues.
            progress: show a bar with the time left.

        Raises:
            InputError: the checkpoints do not fit together or span no plane, or the data cannot be used.
        """
        from landscape.surface.measure import measure
        from landscape.surface.plan import Plan
        from landscape.surface.setting import Setting

        setting = Setting.through(
            a, b, c, data, network=network, root=root, progress=progress, target=target, data_dir=data_dir
        )
        plan = Plan.of(setting, points=points, margin=margin, x_range=x_range, y_range=y_range, progress=progress)
        return measure(
            plan, device=device, precision=precision, batch_size=batch_size, journal=journal, progress=progress
        )

    @property
    def x(self) -> np.ndarray:
        """(nx,) first coordinates."""
        return self.values["x"].values

    @property
    def y(self) -> np.ndarray:
        """(ny,) second coordinates."""
        return self.values["y"].values

    @property
    def anchors(self) -> tuple[Mark, ...]:
        """The three checkpoints that span the plane."""
        return tuple(mark for mark in self.marks if mark.role == "anchor")

    @property
    def ends(self) -> tuple[Mark, ...]:
        """The ends of the paths."""
        return tuple(mark for mark in self.marks if mark.role == "end")

    @property
    def panels(self) -> tuple[str, ...]:
        """The panels that were measured."""
        return tuple(name for name in PANELS if name in self.values)

    def panel(self, metric: str, *, domain: str | None = None, split: str = "all") -> xr.DataArray:
        """One value a grid point, ``(y, x)``: a panel, or a metric of one domain.

        Args:
            metric: a name of :data:`PANELS`; with `domain`, ``loss``, ``accuracy`` or ``balanced_accuracy``.
            domain: the domain.
            split: ``in``, ``out``, or ``all`` (the two pooled over images; not for balanced accuracy).

        Raises:
            InputError: there is no such panel, metric, domain or split.
        """
        if domain is None:
            if metric not in self.panels:
                raise unknown_choice("panel", metric, self.panels)
            return self.values[metric]
        domains = [str(name) for name in self.values["domain"].values]
        if metric not in METRICS:
            raise unknown_choice("metric of a domain", metric, METRICS)
        if domain not in domains:
            raise unknown_choice("domain", domain, domains)
        if split not in (*SPLITS, "all"):
            raise unknown_choice("split", split, [*SPLITS, "all"])
        array = self.values[metric].sel(domain=domain)
        if split != "all":
            return array.sel(split=split, drop=True).drop_vars("domain")
        if metric == "balanced_accuracy":
            raise InputError("balanced accuracies of two splits cannot be pooled; ask for split 'in' or 'out'.")
        n = self.values["n"].sel(domain=domain)
        pooled = (array * n).where(n > 0, 0.0).sum("split", skipna=False) / n.sum("split")
        return pooled.drop_vars("domain").assign_attrs(array.attrs)

    def to_dataframe(self) -> "pd.DataFrame":
        """One row a grid point: x, y, every panel, and ``metric/domain/split`` for every domain and split."""
        import pandas as pd

        yy, xx = np.meshgrid(self.y, self.x, indexing="ij")
        columns = {"x": xx.ravel(), "y": yy.ravel()}
        columns |= {name: self.values[name].values.ravel() for name in self.panels}
        for metric in METRICS:
            array = self.values[metric]
            for domain in array["domain"].values:
                for split in array["split"].values:
                    columns[f"{metric}/{domain}/{split}"] = array.sel(domain=domain, split=split).values.ravel()
        return pd.DataFrame(columns)

    def plot(self) -> "Figure":
        """The row of FGMix's figure 6: train loss, FGMix train loss, test accuracy."""
        from landscape.plots.fig6 import plot_fig6_row

        return plot_fig6_row(self)

    def save(self, path: Path | str) -> Path:
        """Write everything to one netCDF file, atomically."""
        path = Path(path)
        with atomic_path(path) as temporary:
            self._dataset().to_netcdf(temporary, engine="h5netcdf")
        return path

    @classmethod
    def load(cls, path: Path | str) -> "Surface":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or not a surface.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path} does not exist; expected a surface, as `python -m landscape.surface` writes it.")
        try:
            with xr.open_dataset(path, engine="h5netcdf") as opened:
                stored = opened.load()
            about = json.loads(stored.attrs["about"])
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"{path} is no surface, or is damaged ({error}); measure it again.") from error
        if about["format"] != FORMAT:
            raise InputError(f"{path} has surface format {about['format']}; this version reads {FORMAT}.")
        paths, marks = about.pop("paths"), about.pop("marks")
        del about["format"]
        columns = {name: stored[f"path_{name}"].values for name in ("index", "step", "x", "y", "residual")}
        trajectories = []
        for index, path_ in enumerate(paths):
            rows = columns["index"] == index
            explained = math.nan if path_["explained"] is None else path_["explained"]
            arrays = {name: values[rows] for name, values in columns.items() if name != "index"}
            trajectories.append(Trajectory(path_["label"], path_["kind"], **arrays, explained=explained))
        values = stored.drop_dims("path_point").drop_attrs(deep=False)
        return cls(values, tuple(_mark(mark) for mark in marks), tuple(trajectories), about)

    def _dataset(self) -> xr.Dataset:
        """Grid, paths and JSON in one dataset. netCDF attributes can be neither None nor bool nor nested."""
        paths = self.trajectories
        index = np.repeat(np.arange(len(paths)), [len(path) for path in paths]).astype(np.int64)
        columns: dict[str, tuple[np.ndarray, str]] = {"index": (index, "which path; see the attribute `about`")}
        columns["step"] = (_joined([path.step for path in paths], np.int64), "updates")
        for name, words in (("x", "first coordinate"), ("y", "second coordinate"), ("residual", "distance from plane")):
            columns[name] = (_joined([getattr(path, name) for path in paths], np.float64), words)
        stored = self.values.assign(
            {f"path_{name}": ("path_point", array, {"long_name": words}) for name, (array, words) in columns.items()}
        )
        about = {
            "format": FORMAT,
            **self.about,
            "paths": [
                {"label": path.label, "kind": path.kind, "explained": _finite_or_none(path.explained)} for path in paths
            ],
            "marks": [_plain(mark) for mark in self.marks],
        }
        return stored.assign_attrs(about=json.dumps(about, sort_keys=True))


def empty_values(
    x: np.ndarray, y: np.ndarray, *, panels: list[str], domains: tuple[str, ...], n: np.ndarray
) -> xr.Dataset:
    """A grid on which nothing has been evaluated yet: NaN everywhere, axes and units in place.

    Args:
        x: (nx,) first coordinates.
        y: (ny,) second coordinates.
        panels: names of :data:`PANELS`.
        domains: the D domains.
        n: (D, 2) images per domain and split.
    """
    flat = (len(y), len(x))
    axes = {
        "y": ("y", y, {"long_name": "distance along e2", "units": "1"}),
        "x": ("x", x, {"long_name": "distance along e1", "units": "1"}),
        "domain": ("domain", np.array(domains, dtype=object)),
        "split": ("split", np.array(SPLITS, dtype=object), {"long_name": "in: training; out: held out"}),
    }
    variables: dict[str, Any] = {
        name: (("y", "x"), np.full(flat, np.nan), _words(PANELS[name])) for name in PANELS if name in panels
    }
    for name, words in METRICS.items():
        shape = (len(domains), len(SPLITS), *flat)
        variables[name] = (("domain", "split", "y", "x"), np.full(shape, np.nan), _words(words))
    variables["n"] = (("domain", "split"), np.asarray(n, dtype=np.int64), {"long_name": "images"})
    return xr.Dataset(variables, coords=axes)


def _words(words: tuple[str, str]) -> dict[str, str]:
    return {"long_name": words[0], "units": words[1]}


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
