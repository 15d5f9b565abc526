"""Contour levels that panels share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landscape.errors import InputError
from landscape.surface.surface import Surface

_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
# A loss needs more steps than an accuracy: most of its range is the slope, not the basin.
LOSS_STEPS = 22


@dataclass(frozen=True)
class Levels:
    """Contour levels that panels share: equal steps from the lowest value up to a cap.

    Far from the minima a loss explodes; levels that reached up there would leave the basin blank.

    Attributes:
        values: the levels, rising by `step`.
        step: the distance between two levels.
        capped: whether the surface rises above the last level.
    """

    values: np.ndarray
    step: float
    capped: bool

    @classmethod
    def of(cls, *arrays: np.ndarray, reference: float | None = None, count: int = 14) -> "Levels":
        """About `count` levels for all `arrays` together.

        Args:
            arrays: the panels that share the levels.
            reference: a value that has to be below the cap: the largest one at an anchor. None: no cap.
            count: how many steps, roughly.
        """
        pooled = np.concatenate([np.ravel(array) for array in arrays])
        finite = pooled[np.isfinite(pooled)]
        if not len(finite):
            raise InputError("nothing has been evaluated on this surface yet; run the command that measures it.")
        low, high = float(finite.min()), float(finite.max())
        top = high
        if reference is not None and np.isfinite(reference):
            # Above the worst anchor by a tenth (usually the untrained network), or half of the grid's points.
            top = min(high, max(1.1 * reference, float(np.median(finite))))
        step = _nice_step(max(top - low, 1e-9 * max(abs(top), 1.0)) / count)
        first, last = np.floor(low / step + 1e-9), np.ceil(top / step - 1e-9)
        values = step * np.arange(first, max(last, first + 1) + 1)
        return cls(values, step, bool(np.nanmax(pooled) > values[-1] * (1 + 1e-9)))


def loss_levels(surface: Surface, metrics: Sequence[str], *, count: int = LOSS_STEPS) -> Levels:
    """Levels for several loss panels: the basin resolved, everything well above the worst anchor capped."""
    at_anchors = [mark.true[name] for mark in surface.anchors for name in metrics]
    reference = max(at_anchors) if at_anchors else None
    return Levels.of(*(surface.panel(name).values for name in metrics), reference=reference, count=count)


def _nice_step(step: float) -> float:
    scale = 10.0 ** np.floor(np.log10(step))
    return float(scale * min(_NICE, key=lambda nice: abs(np.log(nice * scale / step))))
