"""A path through weight space, seen on a plane."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from landscape.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from landscape.surface.plane import Plane
    from landscape.weights import Weights


@dataclass(frozen=True)
class Trajectory:
    """The projection of a run's recorded checkpoints onto a plane (FGMix paper, Appendix D).

    Attributes:
        label: the run, in the reader's words (``ERM``).
        kind: ``raw`` iterates or their running averages ``swa``.
        step: (T,) updates behind each point.
        x: (T,) first coordinate, in units of weight-space distance.
        y: (T,) second coordinate.
        residual: (T,) distance of each point from the plane.
        explained: share of the path's variance about its mean point that lies in the plane, between 0 and 1;
            NaN for a path of fewer than two different points.
    """

    label: str
    kind: Literal["raw", "swa"]
    step: np.ndarray
    x: np.ndarray
    y: np.ndarray
    residual: np.ndarray
    explained: float

    @classmethod
    def of(
        cls,
        plane: "Plane",
        points: "Iterable[tuple[int, Weights]]",
        *,
        label: str = "",
        kind: Literal["raw", "swa"] = "raw",
    ) -> "Trajectory":
        """Project `points`, pairs of step and weights, one at a time.

        Only one point's weights are held in memory when `points` is a generator.

        Raises:
            InputError: there are no points, or one is of another architecture than the plane.
        """
        # Here and not above, so that a stored surface opens without torch.
        import torch

        from landscape.weights import dot

        steps, xs, ys, residuals = [], [], [], []
        total: dict[str, Tensor] = {}
        for step, weights in points:
            x, y, out = plane.decompose(weights)
            steps.append(step)
            xs.append(x)
            ys.append(y)
            squares = []
            for name, tensor in out.items():  # once: each tensor is computed when it is read
                flat = tensor.reshape(-1)
                squares.append(float(torch.dot(flat, flat)))
                total[name] = total[name].add_(tensor) if name in total else tensor
            residuals.append(math.sqrt(math.fsum(squares)))
        if not steps:
            raise InputError(f"the path {label!r} holds no checkpoints; expected at least one.")
        x_, y_, r_ = (np.array(values, dtype=np.float64) for values in (xs, ys, residuals))
        return cls(
            label=label,
            kind=kind,
            step=np.array(steps, dtype=np.int64),
            x=x_,
            y=y_,
            residual=r_,
            explained=_explained(x_, y_, r_, math.sqrt(dot(total, total)) / len(steps)),
        )

    @property
    def name(self) -> str:
        """What a legend calls it: the label, with ``+ SWA`` for averages."""
        return f"{self.label} + SWA" if self.kind == "swa" else self.label

    def __len__(self) -> int:
        return len(self.step)


def _explained(x: np.ndarray, y: np.ndarray, residual: np.ndarray, mean_out: float) -> float:
    """Variance within the plane over the whole variance; `mean_out`: norm of the mean out-of-plane part."""
    inside = float(((x - x.mean()) ** 2 + (y - y.mean()) ** 2).sum())
    # sum |r_t - r_mean|^2 = sum |r_t|^2 - T |r_mean|^2
    outside = max(float((residual**2).sum()) - len(residual) * mean_out**2, 0.0)
    return inside / (inside + outside) if inside + outside > 0 else math.nan
