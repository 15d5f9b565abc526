"""Flatness of several methods along the same directions: the result and its file.

flatness = Flatness.measure("RUN_A@swa", "RUN_B@swa")
flatness.plot()
flatness.summary()
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np
import xarray as xr

from landscape.compute import DEFAULT, Compute
from landscape.errors import InputError
from landscape.flatness.curve import FlatnessCurve
from landscape.flatness.recipe import PLAIN, Recipe, Scope, Statistic
from landscape.overrides import Changes
from landscape.result_file import ResultFile

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import nn

    from landscape.data import Task
    from landscape.opened import Reference

FORMAT = 1
_FILE = ResultFile("a flatness result", "flatness", FORMAT, "python -m landscape.flatness")


class Opening(Changes, total=False):
    """How :class:`Flatness` opens and evaluates checkpoints, as keywords."""

    data: "Task | str | None"
    network: "nn.Module | str | None"
    groups_from: "Reference | None"
    subset: int | None
    compute: Compute
    journal: Path | str | None


@dataclass(frozen=True)
class Flatness:
    """Flatness curves of several methods, per scope at the same gammas along the same directions.

    Attributes:
        curves: one per scope and method.
        about: data, target, model, counts, seeds, mixture, notes, provenance.
    """

    curves: tuple[FlatnessCurve, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def measure(
        cls,
        *references: "Reference",
        data: "Task | str | None" = None,
        network: "nn.Module | str | None" = None,
        groups_from: "Reference | None" = None,
        subset: int | None = None,
        recipe: Recipe = PLAIN,
        compute: Compute = DEFAULT,
        journal: Path | str | None = None,
        progress: bool = True,
        **changes: "Unpack[Changes]",
    ) -> "Flatness":
        """Measure checkpoints of several methods, on the paper's losses and on the same losses for all.

        Args:
            references: checkpoint files, ``RUN[@STEP|@swa]``, checkpoints, or mappings of weights.
            data: a task, or the name of the data, in place of the checkpoints' own.
            network: a module, or a model's name, likewise.
            groups_from: the checkpoint that freezes groups and weights of the loss that all methods share.
            subset: use about this many training images, stratified by domain and class.
            recipe: scopes, gammas, directions.
            compute: device, precision, batch size.
            journal: a file that keeps what has been evaluated; an interrupted call with the same inputs continues.
            progress: show a bar with the time left.
            changes: ``root``, ``target`` and so on; see :meth:`landscape.opened.Opened.open`.

        Raises:
            InputError: checkpoints that do not fit together, or settings that make no sense.
        """
        from landscape.flatness.measure import measure
        from landscape.flatness.setting import Setting

        setting = Setting.of(
            references,
            data,
            network=network,
            groups_from=groups_from,
            subset=subset,
            subset_seed=recipe.direction_seed,
            progress=progress,
            **changes,
        )
        return measure(setting, recipe, compute, journal=journal, progress=progress)

    @classmethod
    def joined(cls, parts: "Sequence[Flatness]") -> "Flatness":
        """Methods that were measured one by one, as one result.

        Raises:
            InputError: they are of different data, images, directions, gammas, or of another shared loss.
        """
        first = parts[0]
        for other in parts[1:]:
            for name in ("data_digest", "target", "n", "direction_seed", "directions", "shared", "precision"):
                if first.about.get(name) != other.about.get(name):
                    raise InputError(
                        f"{', '.join(first.methods)} and {', '.join(other.methods)} differ in {name}; measure them on "
                        "the same images, along the same directions, with groups from the same checkpoint."
                    )
            for scope in first.scopes:
                if not np.array_equal(first.of(scope)[0].gamma, other.of(scope)[0].gamma):
                    raise InputError("the curves are at different gammas; give the same --gammas for all.")
        notes = dict.fromkeys(note for part in parts for note in part.about.get("notes", ()))
        curves = tuple(curve for scope in first.scopes for part in parts for curve in part.of(scope))
        return cls(curves, {**first.about, "notes": list(notes)})

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that were measured."""
        return tuple(dict.fromkeys(curve.scope for curve in self.curves))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods in order."""
        return tuple(dict.fromkeys(curve.method for curve in self.curves))

    def of(self, scope: Scope) -> tuple[FlatnessCurve, ...]:
        """The curves of one scope, in the order of the methods.

        Raises:
            InputError: that scope was not measured.
        """
        found = tuple(curve for curve in self.curves if curve.scope == scope)
        if not found:
            raise InputError(f"no curve moves the scope {scope!r}; measured: {', '.join(self.scopes)}.")
        return found

    def to_dataframe(self) -> "pd.DataFrame":
        """One row per method, scope, loss, gamma and direction."""
        import pandas as pd

        return pd.concat([curve.to_dataframe() for curve in self.curves], ignore_index=True)

    def summary(self, statistic: Statistic = "squared") -> "pd.DataFrame":
        """One row per method, scope, loss and gamma: mean over directions and its 95 % interval."""
        import pandas as pd

        return pd.concat([curve.summary(statistic) for curve in self.curves], ignore_index=True)

    def plot(self, scope: Scope | None = None, **options: Any) -> "Figure":
        """FGMix's figure 5; see :func:`landscape.plots.flatness.plot_flatness`."""
        from landscape.plots.flatness import plot_flatness

        return plot_flatness(self, scope, **options)

    def save(self, path: Path | str) -> Path:
        """Write everything to one netCDF file, atomically."""
        own = [
            {"method": curve.method, "scope": curve.scope, "about": dict(curve.about)}
            for scope in self.scopes
            for curve in self.of(scope)
        ]
        return _FILE.write(path, self._dataset(), {**self.about, "curves": own})

    @classmethod
    def load(cls, path: Path | str) -> "Flatness":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or not a flatness result.
        """
        with _FILE.reading(path) as (stored, about):
            own = about.pop("curves")
            losses = tuple(str(name) for name in stored["loss"].values)
            counts: dict[str, int] = {}
            curves = []
            for each in own:
                scope = cast(Scope, each["scope"])
                index = counts[scope] = counts.get(scope, -1) + 1
                curves.append(
                    FlatnessCurve(
                        method=each["method"],
                        gamma=stored[f"gamma_{scope}"].values,
                        losses=losses,
                        samples=stored[f"change_{scope}"].values[index],
                        base=stored[f"base_{scope}"].values[index],
                        scope=scope,
                        about=each["about"],
                    )
                )
            return cls(tuple(curves), about)

    def _dataset(self) -> xr.Dataset:
        first = self.curves[0]
        variables: dict[str, Any] = {}
        coordinates: dict[str, Any] = {"loss": ("loss", np.array(first.losses, dtype=object))}
        for scope in self.scopes:
            curves = self.of(scope)
            method, direction = f"method_{scope}", f"direction_{scope}"
            coordinates[method] = (method, np.array([curve.method for curve in curves], dtype=object))
            words = {"long_name": "distance in weight space", "units": "1"}
            coordinates[f"gamma_{scope}"] = (f"gamma_{scope}", curves[0].gamma, words)
            changes = np.stack([curve.samples for curve in curves])
            words = {"long_name": "L(theta + gamma u) - L(theta)", "units": "nat"}
            variables[f"change_{scope}"] = ((method, "loss", f"gamma_{scope}", direction), changes, words)
            base = np.stack([curve.base for curve in curves])
            variables[f"base_{scope}"] = ((method, "loss"), base, {"long_name": "L(theta)", "units": "nat"})
        return xr.Dataset(variables, coords=coordinates)

    def _repr_html_(self) -> str:
        """A table for notebooks: the mean at every gamma, with its interval."""
        table = self.summary()
        table = table[table["gamma"] > 0]
        words = (
            f"{len(self.curves)} flatness curve{'s' if len(self.curves) > 1 else ''}, "
            f"{self.curves[0].directions} directions: E[(L(theta + gamma u) - L(theta))^2] in nat^2, and the "
            "95 % interval over directions"
        )
        return f"<p>{html.escape(words)}</p>{table.to_html(index=False, float_format='{:.4g}'.format)}"
