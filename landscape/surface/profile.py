"""Loss and accuracy on the straight line between two checkpoints (Goodfellow et al. 2015)."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landscape.errors import InputError
from landscape.storage import atomic_path

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import nn

    from landscape.data import Task
    from landscape.evaluation.evaluator import Precision
    from landscape.opened import Reference


@dataclass(frozen=True, eq=False)
class Profile:
    """Panels along ``theta(t) = (1 - t) theta_a + t theta_b``.

    Attributes:
        t: (T,) position: 0 at the first checkpoint, 1 at the second.
        values: per panel of :data:`~landscape.surface.surface.PANELS` (T,) values; an overflowed loss is infinite.
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
        target: str | None = None,
        root: Path | str = "checkpoints",
        points: int = 25,
        beyond: float = 0.25,
        device: str = "auto",
        precision: "Precision" = "fp32",
        progress: bool = True,
    ) -> "Profile":
        """Evaluate the line between two checkpoints and a little beyond.

        Batch norm's statistics, where the two differ in them, are interpolated between the two and kept beyond them.

        Args:
            a: the checkpoint at 0.
            b: the checkpoint at 1.
            data: a task, or the name of the data.
            network: a module, or a model's name.
            target: the domain to test on.
            root: folder of the run folders.
            points: equidistant points from ``-beyond`` to ``1 + beyond``; 0 and 1 are added if they are not among them.
            beyond: how far to go on at either end.
            device: where to compute.
            precision: of the forward passes.
            progress: show a bar.

        Raises:
            InputError: fewer than two points, identical checkpoints, or data that cannot be used.
        """
        from tqdm.auto import tqdm

        from landscape.evaluation import Evaluator
        from landscape.opened import Opened
        from landscape.surface.meter import Meter, panel_values
        from landscape.weights import combine, norm, subtract

        if points < 2 or not beyond >= 0:
            raise InputError(
                f"got {points} points and {beyond} beyond; expected at least 2 and a fraction of 0 or more."
            )
        opened = Opened.open([a, b], data, network=network, root=root, progress=progress, target=target)
        module, images = opened.network, opened.task.images
        first, second = (checkpoint.weights(module) for checkpoint in opened.checkpoints)
        step = subtract(second, first)
        if (distance := norm(step)) == 0:
            raise InputError(
                f"{opened.names[0]} and {opened.names[1]} have identical weights; give two different ones."
            )
        evaluator = Evaluator(module, images.pixels, images.labels, device=device, precision=precision)
        span = evaluator.span(combine((1.0, first)), step)
        ends = [checkpoint.buffers(module) for checkpoint in opened.checkpoints]
        floating = [{name: value for name, value in each.items() if value.is_floating_point()} for each in ends]
        meter = Meter(opened.task, evaluator)
        t = np.union1d(np.linspace(-beyond, 1 + beyond, points), [0.0, 1.0])
        rows = []
        for value in tqdm(t.tolist(), desc="line", unit="point", disable=not progress):
            share = min(max(value, 0.0), 1.0)
            buffers = combine((1.0 - share, floating[0]), (share, floating[1])) if floating[0] else {}
            rows.append(panel_values(meter.at(span.point(value), buffers)))
        return cls(
            t=t,
            values={name: np.array([row[name] for row in rows]) for name in rows[0]},
            distance=distance,
            names=(opened.names[0], opened.names[1]),
            about={
                "data": images.name,
                "target": opened.task.target,
                "model": opened.model,
                "seeds": list(opened.seeds),
                "n": {"train": len(opened.task.source_rows("in")), "test": len(opened.task.target_rows())},
                "notes": [*opened.notes, *evaluator.notes],
            },
        )

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
        """Write the table as CSV, atomically."""
        path = Path(path)
        with atomic_path(path) as temporary:
            self.to_dataframe().to_csv(temporary, index=False)
        return path

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
