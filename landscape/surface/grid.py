"""Where a surface is measured: a rectangle of the plane that contains every path."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landscape.surface.recipe import EVERYWHERE, Range, Where


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
        where: Where = EVERYWHERE,
    ) -> "Grid":
        """A square number of points that contain all of `points`, with the room that `where` asks for, or its ranges.

        Args:
            points: what it has to contain: anchors and projected paths.
            where: points along each axis, margin and ranges.
        """
        xs, ys = np.array(points, dtype=np.float64).T
        count, margin = where.on_plane()
        return cls(_axis(xs, count, margin, where.x_range), _axis(ys, count, margin, where.y_range))

    def __len__(self) -> int:
        return len(self.x) * len(self.y)

    def cells(self) -> list[tuple[int, int]]:
        """Index pairs ``(row, column)`` of all points, row after row: ``(i, j)`` lies at ``x[j], y[i]``."""
        return [(i, j) for i in range(len(self.y)) for j in range(len(self.x))]

    def contains(self, x: float, y: float) -> bool:
        """Whether a point of the plane lies within the rectangle."""
        return bool(self.x[0] <= x <= self.x[-1] and self.y[0] <= y <= self.y[-1])


def _axis(values: np.ndarray, count: int, margin: float, given: Range | None) -> np.ndarray:
    if given is not None:
        low, high = given
    else:
        room = margin * float(values.max() - values.min())
        low, high = float(values.min()) - room, float(values.max()) + room
    return np.linspace(low, high, count)
