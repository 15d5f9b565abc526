"""Where to measure: coarse first, and finer where the surface is not yet predicted."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import CloughTocher2DInterpolator

from landscape.errors import InputError
from landscape.seeding import numpy_generator

Cell = tuple[int, int]
Values = Mapping[str, float]
Rectangle = tuple[int, int, int, int]

# The coarse grid has about this many cells along each axis.
_COARSE = 4
_HELD_OUT = 0.05
# Panels that decide; the others follow from the same losses.
DECISIVE = ("train_loss", "fgmix_train_loss", "test_loss", "test_accuracy")


@dataclass(frozen=True, eq=False)
class Refined:
    """What was measured of a grid.

    Attributes:
        measured: (ny, nx) bool.
        error: per panel ``mean`` and ``max`` of the interpolation's error at points that were held out: they were
            predicted from the others before they were measured.
        held_out: number of those points.
    """

    measured: np.ndarray
    error: dict[str, dict[str, float]] = field(default_factory=dict)
    held_out: int = 0


def refine(
    shape: tuple[int, int],
    evaluate: Callable[[Cell], Values],
    tolerance: float,
    *,
    seed: int = 0,
    ahead: Callable[[Sequence[Cell]], object] = lambda cells: None,
) -> Refined:
    """Measure a grid as densely as a tolerance asks for.

    The corners of coarse cells are measured. Then, cell by cell, the centre is predicted from everything known, and
    measured: where a decisive panel is off by more than `tolerance` (absolute below 1, relative above), the cell is
    split. At the end a random 5 % of the points that were left out, at least 10, are predicted and measured.

    Args:
        shape: rows and columns of the grid.
        evaluate: panels at a cell ``(i, j)``.
        tolerance: in nats, respectively as a fraction for accuracies.
        seed: of the points that are held out.
        ahead: told which cells are going to be evaluated next, for whoever can do several at a time.

    Raises:
        InputError: the tolerance is not positive.
    """
    if not tolerance > 0:
        raise InputError(f"--adaptive is {tolerance}; expected a tolerance above 0, in nats.")
    known: dict[Cell, Values] = {}

    def measure(cells: Iterable[Cell]) -> None:
        missing = [cell for cell in dict.fromkeys(cells) if cell not in known]
        ahead(missing)
        for cell in missing:
            known[cell] = evaluate(cell)

    rows, columns = _lines(shape[0]), _lines(shape[1])
    measure((i, j) for i in rows for j in columns)
    active = [(a, b, c, d) for a, b in itertools.pairwise(rows) for c, d in itertools.pairwise(columns)]
    while active := [cell for cell in active if max(cell[1] - cell[0], cell[3] - cell[2]) > 1]:
        centres = [_centre(cell) for cell in active]
        predicted = predict(known, centres)
        measure(centres)
        split = [
            cell
            for cell, centre, guess in zip(active, centres, predicted, strict=True)
            if _differs(known[centre], guess, tolerance) or not _finite(known, _corners(cell))
        ]
        measure(corner for cell in split for child in _children(cell) for corner in _corners(child))
        active = [child for cell in split for child in _children(cell)]
    left = [(i, j) for i in range(shape[0]) for j in range(shape[1]) if (i, j) not in known]
    error: dict[str, dict[str, float]] = {}
    count = min(len(left), max(10, math.ceil(_HELD_OUT * shape[0] * shape[1])))
    if count:
        chosen = sorted(numpy_generator(seed, "evaluation", "held-out points").choice(len(left), count, replace=False))
        cells = [left[k] for k in chosen]
        predicted = predict(known, cells)
        measure(cells)
        for name in DECISIVE:
            if name in predicted[0]:
                off = [abs(known[cell][name] - guess[name]) for cell, guess in zip(cells, predicted, strict=True)]
                error[name] = {"mean": float(np.mean(off)), "max": float(np.max(off))}
    measured = np.zeros(shape, dtype=bool)
    measured[tuple(np.array(list(known)).T)] = True
    return Refined(measured, error, count)


def predict(known: Mapping[Cell, Values], cells: list[Cell]) -> list[dict[str, float]]:
    """Panels at some cells from those at others: piecewise cubic, losses in their logarithm."""
    names = [name for name in DECISIVE if name in next(iter(known.values()))]
    at = np.array(list(known), dtype=np.float64)
    columns = [
        interpolate(at, np.array([values[name] for values in known.values()]), np.array(cells, dtype=np.float64), name)
        for name in names
    ]
    return [dict(zip(names, values, strict=True)) for values in np.array(columns).T]


def interpolate(at: np.ndarray, values: np.ndarray, wanted: np.ndarray, name: str) -> np.ndarray:
    """Values at other points of the plane (Clough-Tocher), from those that are finite.

    Args:
        at: (m, 2) where values are known.
        values: (m,).
        wanted: (k, 2).
        name: of the panel: a loss is interpolated in its logarithm, an accuracy is kept between 0 and 1.
    """
    loss = name.endswith("loss")
    finite = np.isfinite(values)
    # One value that is not finite would spoil the estimated slopes everywhere.
    if finite.sum() < 4:
        return np.full(len(wanted), np.nan)
    known = np.log(np.maximum(values[finite], 1e-12)) if loss else values[finite]
    found = CloughTocher2DInterpolator(at[finite], known, rescale=True)(wanted)
    return np.exp(found) if loss else np.clip(found, 0.0, 1.0)


def _differs(values: Values, guess: Values, tolerance: float) -> bool:
    # Neither a value nor a prediction that is not finite counts as predicted.
    off = {name: abs(values[name] - guess[name]) for name in guess}
    return any(not (off[name] < math.inf and off[name] <= tolerance * max(1.0, abs(values[name]))) for name in off)


def _finite(known: Mapping[Cell, Values], cells: list[Cell]) -> bool:
    return all(math.isfinite(value) for cell in cells for value in known[cell].values())


def _lines(count: int) -> list[int]:
    stride = 1
    while (count - 1) // (2 * stride) >= _COARSE:
        stride *= 2
    return sorted({*range(0, count, stride), count - 1})


def _centre(cell: Rectangle) -> Cell:
    return (cell[0] + cell[1]) // 2, (cell[2] + cell[3]) // 2


def _corners(cell: Rectangle) -> list[Cell]:
    a, b, c, d = cell
    return [(a, c), (a, d), (b, c), (b, d)]


def _children(cell: Rectangle) -> list[Rectangle]:
    a, b, c, d = cell
    i, j = _centre(cell)
    # A side of one step is not split any more.
    rows = [(a, i), (i, b)] if a < i else [(a, b)]
    columns = [(c, j), (j, d)] if c < j else [(c, d)]
    return [(*row, *column) for row in rows for column in columns]
