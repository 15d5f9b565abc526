"""How far minima lie apart on a plane: of the domains' losses, and of the target from the sources.

No torch in here: it looks at a surface that has been measured.
"""

import math
from dataclasses import dataclass

import numpy as np

from landscape.errors import InputError
from landscape.surface.surface import Surface


@dataclass(frozen=True)
class Lowest:
    """The grid point with the lowest loss.

    Attributes:
        name: of the loss: a domain, or ``train``.
        x: first coordinate, in units of weight-space distance.
        y: second coordinate.
        loss: its value there, in nats.
        at_edge: whether it lies on the border of the grid, so that the loss may fall further outside.
    """

    name: str
    x: float
    y: float
    loss: float
    at_edge: bool


@dataclass(frozen=True)
class Shift:
    """How far the target lies from the sources on a plane, in units of the distance from w1 to w2.

    Attributes:
        train: lowest train loss of the sources together.
        target: lowest loss of the target.
        best: (x, y) of the centroid of the grid points within one standard error of the best target accuracy.
        best_points: number of these points.
        best_accuracy: the best accuracy on the grid.
        standard_error: ``sqrt(p (1 - p) / n)`` of it over the target's n images.
        unit: distance from w1 to w2 in weight space; in FGMix's figure 6 from the initialisation to ERM + SWA.
        to_loss: distance from `train` to `target`, over `unit`.
        to_accuracy: distance from `train` to `best`, over `unit`.
        error: the grid's resolution, over `unit` (:func:`grid_error`).
    """

    train: Lowest
    target: Lowest
    best: tuple[float, float]
    best_points: int
    best_accuracy: float
    standard_error: float
    unit: float
    to_loss: float
    to_accuracy: float
    error: float

    @property
    def at_edge(self) -> bool:
        """Whether one of the two minima lies on the border of the grid."""
        return self.train.at_edge or self.target.at_edge


def lowest(surface: Surface, values: np.ndarray, name: str) -> Lowest:
    """The grid point where `values` (y, x) are lowest.

    Raises:
        InputError: no value is finite.
    """
    if not np.isfinite(values).any():
        raise InputError(f"the loss {name!r} is finite nowhere on this surface; it has no minimum to point at.")
    i, j = np.unravel_index(int(np.argmin(np.where(np.isfinite(values), values, np.inf))), values.shape)
    edge = i in (0, values.shape[0] - 1) or j in (0, values.shape[1] - 1)
    return Lowest(name, float(surface.x[j]), float(surface.y[i]), float(values[i, j]), bool(edge))


def domain_lowest(surface: Surface) -> dict[str, Lowest]:
    """The lowest point of every domain's loss: the sources' over their training images, the target's over its images.

    Raises:
        InputError: the surface does not say which domain is the target.
    """
    if "target" not in surface.about:
        raise InputError("this surface does not say which domain is the target; measure it with the surface command.")
    found = {name: lowest(surface, domain_loss(surface, name), name) for name in surface.about["sources"]}
    target = surface.about["target"]
    return found | {target: lowest(surface, domain_loss(surface, target), target)}


def domain_loss(surface: Surface, domain: str) -> np.ndarray:
    """(ny, nx) a source's mean loss over its training images, or the target's over the images it is tested on."""
    if domain == surface.about["target"]:
        return np.asarray(surface.panel("test_loss").values)
    return np.asarray(surface.panel("loss", domain=domain, split="in").values)


def distance(first: Lowest, second: Lowest) -> float:
    """Distance in weight space."""
    return math.hypot(first.x - second.x, first.y - second.y)


def grid_error(surface: Surface) -> float:
    """The grid's resolution: the diagonal of a cell, ``sqrt(dx^2 + dy^2)``, in units of weight-space distance.

    It bounds no error. Where each minimum lies within half a step of its lowest grid point in x and y, a distance
    between two is off by at most this; in a narrow valley that is tilted against the axes a minimum may lie many steps
    from the lowest grid point.
    """
    return math.hypot(float(surface.x[1] - surface.x[0]), float(surface.y[1] - surface.y[0]))


def unit_of(surface: Surface) -> float:
    """Distance from w1 to w2.

    Raises:
        InputError: the plane does not go through three anchors.
    """
    if len(surface.anchors) < 2:
        raise InputError("this plane has one anchor; a unit needs the distance from w1 to w2.")
    first, second, *_ = surface.anchors
    return math.hypot(second.x - first.x, second.y - first.y)


def shift_of(surface: Surface) -> Shift:
    """Distance on the plane from the lowest train loss to the target's lowest loss, and to its best accuracy.

    Raises:
        InputError: the plane does not go through three anchors, or a loss is finite nowhere.
    """
    unit = unit_of(surface)
    train = lowest(surface, np.asarray(surface.panel("train_loss").values), "train")
    target = lowest(surface, np.asarray(surface.panel("test_loss").values), str(surface.about.get("target", "target")))
    accuracy = np.asarray(surface.panel("test_accuracy").values)
    best = float(np.nanmax(accuracy))
    error = math.sqrt(best * (1 - best) / int(surface.about["n"]["test"]))
    i, j = np.nonzero(accuracy >= best - error)
    x, y = float(surface.x[j].mean()), float(surface.y[i].mean())
    return Shift(
        train=train,
        target=target,
        best=(x, y),
        best_points=len(i),
        best_accuracy=best,
        standard_error=error,
        unit=unit,
        to_loss=distance(train, target) / unit,
        to_accuracy=math.hypot(train.x - x, train.y - y) / unit,
        error=grid_error(surface) / unit,
    )
