"""Loss and accuracy on the straight line between two checkpoints (Goodfellow et al. 2015)."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import xarray as xr

from landscape.compute import DEFAULT, Compute
from landscape.errors import InputError
from landscape.result_file import ResultFile
from landscape.surface.panels import PANELS
from landscape.surface.recipe import EVERYWHERE, Where

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import nn

    from landscape.data import Task
    from landscape.opened import Reference
    from landscape.overrides import Changes

FORMAT = 1
_FILE = ResultFile("a profile of a line", "profile", FORMAT, "python -m landscape.surface A B --plane line")


@dataclass(frozen=True, eq=False)
class Profile:
    """Panels along ``theta(t) = (1 - t) theta_a + t theta_b``.

    Attributes:
        t: (T,) position: 0 at the first checkpoint, 1 at the second.
        values: per panel of :data:`~landscape.surface.panels.PANELS` (T,) values; an overflowed loss is infinite.
        distance: between the checkpoints, in weight space.
        names: the two in words.
        about: data, target, model, counts, notes.
    """

    t: np.ndarray
    values: Mapping[str, np.ndarray]
    distance: float
    names: tuple[str, str]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def between(
        cls,
        a: "Reference",
        b: "Reference",
        data: "Task | str | None" = None,
        *,
        network: "nn.Module | str | None" = None,
        where: Where = EVERYWHERE,
        compute: Compute = DEFAULT,
        journal: Path | str | None = None,
        progress: bool = True,
        **changes: "Unpack[Changes]",
    ) -> "Profile":
        """Evaluate the line between two checkpoints and a little beyond.

        Batch norm's statistics, where the two differ in them, are interpolated between the two and kept beyond them.

        Args:
            a: the checkpoint at 0.
            b: the checkpoint at 1.
            data: a task, or the name of the data.
            network: a module, or a model's name.
            where: how many equidistant points (0 and 1 are added if they are not among them), and how far to go on at
                either end.
            compute: device, precision, batch size.
            journal: a file that keeps what has been evaluated; an interrupted call with the same inputs continues.
            progress: show a bar.
            changes: ``root``, ``target`` and so on; see :meth:`landscape.opened.Opened.open`.

        Raises:
            InputError: fewer than two points, identical checkpoints, or data that cannot be used.
        """
        from landscape.opened import Opened
        from landscape.surface.line import Line, measure_line

        opened = Opened.open([a, b], data, network=network, progress=progress, **changes)
        return measure_line(Line.of(opened, where), compute, journal=journal, progress=progress)

    def barrier(self, panel: str = "train_loss") -> float:
        """How far the loss between the checkpoints rises above the straight line between its values there.

        ``max_t L(t) - ((1 - t) L(0) + t L(1))`` over the points from 0 to 1 (Frankle et al. 2020, section 2).

        Raises:
            InputError: there is no such panel.
        """
        if panel not in self.values:
            raise InputError(f"this profile has no panel {panel!r}; it has {', '.join(self.values)}.")
        inside = (self.t >= 0) & (self.t <= 1)
        t, loss = self.t[inside], self.values[panel][inside]
        return float(np.max(loss - ((1 - t) * loss[0] + t * loss[-1])))

    def to_dataframe(self) -> "pd.DataFrame":
        """One row a point: t, and every panel."""
        import pandas as pd

        return pd.DataFrame({"t": self.t, **self.values})

    def save(self, path: Path | str) -> Path:
        """Write everything to one netCDF file, atomically."""
        about = {**self.about, "distance": self.distance, "names": list(self.names)}
        values = {name: ("t", array, PANELS[name].attributes) for name, array in self.values.items()}
        axis = ("t", self.t, {"long_name": "position: 0 at the first checkpoint, 1 at the second", "units": "1"})
        return _FILE.write(path, xr.Dataset(values, coords={"t": axis}), about)

    @classmethod
    def load(cls, path: Path | str) -> "Profile":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or no profile.
        """
        with _FILE.reading(path) as (stored, about):
            distance, (first, second) = about.pop("distance"), about.pop("names")
            values = {str(name): array.values for name, array in stored.data_vars.items()}
            return cls(stored["t"].values, values, distance, (first, second), about)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Train loss, test loss and test accuracy along the line."""
        from landscape.plots.profile import plot_profile

        return plot_profile(self, ax)

    def _repr_html_(self) -> str:
        words = html.escape(
            f"Line from {self.names[0]} to {self.names[1]}, {self.distance:.3g} apart; barrier of the train loss "
            f"{self.barrier():.3g} nat."
        )
        return f"<p>{words}</p>{self.to_dataframe().to_html(index=False, float_format=lambda v: f'{v:.4g}', border=0)}"
