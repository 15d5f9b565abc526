"""Where a surface is measured: a rectangle of the plane that contains every path."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landscape.errors import InputError

Range = tuple[float, float]


@dataclass(frozen=True)
class Grid:
    """The points of a rectangular grid on a plane.

    Attributes:
        x: (nx,) first coordinates, rising, in units of weight-space distance.
        y: (ny,) second coordinates, rising.
    """

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def around(
        cls,
        points: Sequence[tuple[float, float]],
        *,
        count: int = 7,
        margin: float = 0.2,
        x_range: Range | None = None,
        y_range: Range | None = None,
    ) -> "Grid":
        """A grid of `count` by `count` points that contains all of `points`.

        Args:
            points: what it has to contain: anchors and projected paths.
            count: points along each axis.
            margin: what is added on each side, as a fraction of the extent of `points`.
            x_range: first and last x, in place of the computed ones.
            y_range: first and last y.

        Raises:
            InputError: fewer than two points an axis, a negative margin, or an empty range.
        """
        if count < 2:
            raise InputError(f"--points is {count}; expected at least 2 along each axis.")
        if not margin >= 0:
            raise InputError(f"--margin is {margin}; expected a fraction of 0 or more.")
        xs, ys = np.array(points, dtype=np.float64).T
        return cls(_axis("--x-range", xs, count, margin, x_range), _axis("--y-range", ys, count, margin, y_range))

    def __len__(self) -> int:
        return len(self.x) * len(self.y)

    def cells(self) -> list[tuple[int, int]]:
        """Index pairs ``(row, column)`` of all points, row after row: ``(i, j)`` lies at ``x[j], y[i]``."""
        return [(i, j) for i in range(len(self.y)) for j in range(len(self.x))]

    def contains(self, x: float, y: float) -> bool:
        """Whether a point of the plane lies within the rectangle."""
        return bool(self.x[0] <= x <= self.x[-1] and self.y[0] <= y <= self.y[-1])


def _axis(flag: str, values: np.ndarray, count: int, margin: float, given: Range | None) -> np.ndarray:
    if given is not None:
        low, high = given
        if not low < high:
            raise InputError(f"{flag} is {low:g} {high:g}; expected a first value below the last one.")
    else:
        room = margin * float(values.max() - values.min())
        low, high = float(values.min()) - room, float(values.max()) + room
    return np.linspace(low, high, count)
