"""Loss and accuracy over a plane of weight space: the result, its file and its table.

No torch in here: a stored surface opens and redraws without it.

    surface = Surface.through("RUN_A@0", "RUN_A@swa", "RUN_B@swa")
    surface.plot()
    surface.save("surface.nc")
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast

import numpy as np
import xarray as xr

from landscape.compute import DEFAULT, Compute
from landscape.errors import InputError, unknown_choice
from landscape.surface.panels import METRICS, PANELS
from landscape.surface.recipe import EVERYWHERE, PLAIN, Recipe, Where
from landscape.surface.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import nn

    from landscape.data import Task
    from landscape.opened import Reference
    from landscape.overrides import Changes
    from landscape.surface.of_module import Anchor

FORMAT = 1
AROUND = Recipe(plane="pca")

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
        values: the grid. Every panel of :data:`~landscape.surface.panels.PANELS` as ``(y, x)``; ``loss``,
            ``accuracy`` and ``balanced_accuracy`` as ``(domain, split, y, x)``; ``n`` images as ``(domain, split)``.
            Losses are in nats, accuracies fractions, x and y weight-space distances. NaN: not evaluated; an infinite
            loss was evaluated and overflowed.
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
        where: Where = EVERYWHERE,
        recipe: Recipe = PLAIN,
        compute: Compute = DEFAULT,
        journal: Path | str | None = None,
        progress: bool = True,
        **changes: "Unpack[Changes]",
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
            where: points along each axis, margin, ranges.
            recipe: a sample of the images, refinement, FGMix's loss, batch norm.
            compute: device, precision, batch size, compiled or not, Ray's workers.
            journal: a file that keeps what has been evaluated; an interrupted call with the same inputs continues.
            progress: show a bar with the time left.
            changes: ``root``, ``target`` and so on; see :meth:`landscape.opened.Opened.open`.

        Raises:
            InputError: the checkpoints do not fit together or span no plane, or the data cannot be used.
        """
        from landscape.surface.measure import measure
        from landscape.surface.plan import Plan
        from landscape.surface.setting import Setting

        setting = Setting.through(a, b, c, data, network=network, progress=progress, **changes)
        plan = Plan.of(setting, where, recipe, device=compute.device, progress=progress)
        return measure(plan, compute, journal=journal, progress=progress)

    @classmethod
    def around(
        cls,
        a: "Reference",
        data: "Task | str | None" = None,
        *,
        network: "nn.Module | str | None" = None,
        where: Where = EVERYWHERE,
        recipe: Recipe = AROUND,
        compute: Compute = DEFAULT,
        journal: Path | str | None = None,
        progress: bool = True,
        **changes: "Unpack[Changes]",
    ) -> "Surface":
        """Measure the surface around one checkpoint, on a plane of directions (Li et al. 2018).

        Args:
            a: the checkpoint, the plane's origin.
            data: a :class:`~landscape.data.Task`, or the name of the data.
            network: a module, or a model's name.
            where: points along each axis, and the room around the path.
            recipe: its plane is ``pca``: principal components of the checkpoint's recorded path; ``random``: two random
                filter-normalised directions; ``hessian``: eigenvectors of the two largest eigenvalues.
            compute: device, precision, batch size.
            journal: a file that keeps what has been evaluated; the Hessian's eigenvectors are kept beside it.
            progress: show a bar with the time left.
            changes: ``root``, ``target`` and so on; see :meth:`landscape.opened.Opened.open`.

        Raises:
            InputError: there is no path to take components of, or the data cannot be used.
        """
        from landscape.surface.kept import eigenvectors_beside
        from landscape.surface.measure import measure
        from landscape.surface.plan import Plan
        from landscape.surface.setting import Setting

        setting = Setting.around(a, data, network=network, progress=progress, **changes)
        kept = eigenvectors_beside(Path(journal)) if journal is not None else None
        plan = Plan.of(setting, where, recipe, device=compute.device, keep=kept, progress=progress)
        return measure(plan, compute, journal=journal, progress=progress)

    @classmethod
    def of_module(
        cls,
        model: "nn.Module",
        a: "Anchor",
        b: "Anchor",
        c: "Anchor",
        *,
        loss: Callable[..., Any],
        loader: Iterable[Any] | None = None,
        where: Where = EVERYWHERE,
        labels: Sequence[str] = ("w1", "w2", "w3"),
        journal: Path | str | None = None,
        key: str = "",
        progress: bool = True,
    ) -> "Surface":
        """Measure a loss of your own: a function of `model`, or of outputs and targets with ``loader=``.

        `a`, `b`, `c` are state dicts of it. See :func:`landscape.surface.of_module.measure_module`.
        """
        from landscape.surface.of_module import measure_module

        return measure_module(
            model, (a, b, c), loss, loader, where=where, labels=labels, journal=journal, key=key, progress=progress
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
        """The checkpoints that the plane goes through."""
        return tuple(mark for mark in self.marks if mark.role == "anchor")

    @property
    def ends(self) -> tuple[Mark, ...]:
        """The ends of the paths."""
        return tuple(mark for mark in self.marks if mark.role == "end")

    @property
    def measured(self) -> np.ndarray:
        """(ny, nx) bool: which points were evaluated; the others are predicted, or not known."""
        if "measured" in self.values:
            return self.values["measured"].values.astype(bool)
        return ~np.isnan(self.values[self.panels[0]].values)

    def half_width(self, metric: str) -> "xr.DataArray":
        """Half of each point's 95 % interval over images, ``(y, x)``, where a sample of them was evaluated.

        Raises:
            InputError: all images were evaluated, or there is no such panel.
        """
        name = f"half_{metric}"
        if name not in self.values:
            known = [str(key).removeprefix("half_") for key in self.values if str(key).startswith("half_")]
            if not known:
                raise InputError("this surface has no intervals: it is over all images, not a sample of them.")
            raise unknown_choice("panel with an interval", metric, known)
        return self.values[name]

    @property
    def panels(self) -> tuple[str, ...]:
        """The panels that were measured."""
        return tuple(name for name in PANELS if name in self.values)

    def panel(self, metric: str, *, domain: str | None = None, split: str = "all") -> xr.DataArray:
        """One value a grid point, ``(y, x)``: a panel, or a metric of one domain.

        Args:
            metric: a name of ``PANELS``; with `domain`, ``loss``, ``accuracy`` or ``balanced_accuracy``.
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
        """One row a grid point: x, y, panels with their intervals, whether measured, ``metric/domain/split`` values."""
        import pandas as pd

        yy, xx = np.meshgrid(self.y, self.x, indexing="ij")
        columns = {"x": xx.ravel(), "y": yy.ravel()}
        columns |= {name: self.values[name].values.ravel() for name in self.panels}
        columns |= {str(name): array.values.ravel() for name, array in self.values.items() if "half_" in str(name)}
        columns["measured"] = self.measured.ravel()
        for name, domain, split in product(METRICS, self.values["domain"].values, self.values["split"].values):
            columns[f"{name}/{domain}/{split}"] = self.values[name].sel(domain=domain, split=split).values.ravel()
        return pd.DataFrame(columns)

    def plot(self) -> "Figure":
        """The row of FGMix's figure 6: train loss, FGMix train loss, test accuracy; a loss of your own by itself."""
        from landscape.plots.fig6 import plot_fig6_row
        from landscape.plots.surface import plot_surface

        if "test_accuracy" in self.panels:
            return plot_fig6_row(self)
        ax = plot_surface(self, title="loss")
        ax.child_axes[0].set_ylabel("loss")  # its unit is the user's
        return cast("Figure", ax.figure)

    def _repr_html_(self) -> str:
        from landscape.surface.report import html_report

        return html_report(self)

    def save(self, path: Path | str) -> Path:
        """Write everything to one netCDF file, atomically."""
        from landscape.surface.archive import write

        return write(self, path)

    @classmethod
    def load(cls, path: Path | str) -> "Surface":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or not a surface.
        """
        from landscape.surface.archive import read

        return read(path)


def empty_values(
    x: np.ndarray,
    y: np.ndarray,
    *,
    panels: list[str],
    domains: tuple[str, ...],
    n: np.ndarray,
    intervals: Sequence[str] = (),
) -> xr.Dataset:
    """A grid on which nothing has been evaluated yet: NaN everywhere, axes and units in place.

    Args:
        x: (nx,) first coordinates.
        y: (ny,) second coordinates.
        panels: names of :data:`~landscape.surface.panels.PANELS`.
        domains: the D domains.
        n: (D, 2) images per domain and split.
        intervals: panels that come with half of a 95 % interval, as ``half_NAME``.
    """
    flat = (len(y), len(x))
    axes = {
        "y": ("y", y, {"long_name": "distance along e2", "units": "1"}),
        "x": ("x", x, {"long_name": "distance along e1", "units": "1"}),
        "domain": ("domain", np.array(domains, dtype=object)),
        "split": ("split", np.array(SPLITS, dtype=object), {"long_name": "in: training; out: held out"}),
    }
    variables: dict[str, Any] = {
        name: (("y", "x"), np.full(flat, np.nan), PANELS[name].attributes) for name in PANELS if name in panels
    }
    for name, metric in METRICS.items():
        shape = (len(domains), len(SPLITS), *flat)
        variables[name] = (("domain", "split", "y", "x"), np.full(shape, np.nan), metric.attributes)
    for name in intervals:
        about = PANELS[name].attributes | {"long_name": f"half of the 95 % interval: {PANELS[name].words}"}
        variables[f"half_{name}"] = (("y", "x"), np.full(flat, np.nan), about)
    variables["n"] = (("domain", "split"), np.asarray(n, dtype=np.int64), {"long_name": "images"})
    return xr.Dataset(variables, coords=axes)
