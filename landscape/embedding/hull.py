"""Is a code inside the convex hull of others? A linear programme each (figure 4's coverage)."""

import numpy as np

from landscape.errors import InputError

TOLERANCE = 1e-6
"""A query this near to the hull counts as inside; in units of the points' half range along each coordinate."""


def hull_distance(points: np.ndarray, query: np.ndarray) -> float:
    """Distance of a query from the convex hull of points, in the 1-norm of scaled coordinates.

    ``min_{lambda >= 0, sum lambda = 1} || (points^T lambda - query) / half range ||_1``, solved by HiGHS. It is 0
    exactly if the query is in the hull, and there is always a solution, so that nothing hangs on how a solver tells
    an infeasible programme. Scaling leaves membership as it is.

    Args:
        points: (V, d) whose hull it is.
        query: (d,).

    Returns:
        The distance; infinite if the query leaves the range of a coordinate in which all points agree.
    """
    return _solve(points, query)[0]


def separation(points: np.ndarray, query: np.ndarray) -> np.ndarray | None:
    """A direction v (d,) in which a query lies beyond all points, ``v . query > max v . points``; None if it is inside.

    It is the programme's dual solution, and certifies that the query is outside of other hulls too: of all in whose
    points :func:`separates` finds none beyond it.
    """
    if len(points) == 0:
        return np.zeros_like(query)
    beyond = _beyond_box(points, query)
    if beyond is not None:
        return beyond
    distance, direction = _solve(points, query)
    return direction if distance > TOLERANCE else None


def separates(direction: np.ndarray, points: np.ndarray, query: np.ndarray) -> bool:
    """Whether a direction (d,) shows that a query lies outside of the hull of points (V, d), beyond the tolerance.

    Any v does with ``v . query - max v . points`` above it, in units of ``max |v * half range|``: the distance's own
    lower bound by duality.
    """
    half = (points.max(0) - points.min(0)) / 2
    margin = float(direction @ query - (points @ direction).max())
    return margin > TOLERANCE * max(float(np.abs(direction * half).max()), 1e-12)


def _solve(points: np.ndarray, query: np.ndarray) -> tuple[float, np.ndarray]:
    """The distance of :func:`hull_distance`, and the direction of :func:`separation`."""
    from scipy.optimize import linprog

    low, high = points.min(0), points.max(0)
    half = (high - low) / 2
    flat = half <= 1e-12 * np.maximum(1.0, np.abs(low))
    off = np.where(flat & (np.abs(query - low) > TOLERANCE * np.maximum(1.0, np.abs(low))), query - low, 0.0)
    if off.any():
        return float("inf"), off
    if flat.all():
        return 0.0, off
    middle, half = ((low + high) / 2)[~flat], half[~flat]
    corners, aim = (points[:, ~flat] - middle) / half, (query[~flat] - middle) / half
    count, d = corners.shape
    equations = np.zeros((d + 1, count + 2 * d))
    equations[:d, :count] = corners.T
    equations[:d, count : count + d] = np.eye(d)
    equations[:d, count + d :] = -np.eye(d)
    equations[d, :count] = 1.0
    cost = np.concatenate([np.zeros(count), np.ones(2 * d)])
    solved = linprog(cost, A_eq=equations, b_eq=np.append(aim, 1.0), bounds=(0, None), method="highs-ds")
    if solved.status != 0:
        raise InputError(f"the linear programme of a convex hull was not solved ({solved.message}); are codes finite?")
    direction = np.zeros(len(query))
    direction[~flat] = solved.eqlin.marginals[:d] / half
    return float(solved.fun), direction


def in_hull(points: np.ndarray, query: np.ndarray) -> bool:
    """Whether a query (d,) lies in the convex hull of points (V, d), boundary included."""
    if len(points) == 0:
        return False
    return _beyond_box(points, query) is None and hull_distance(points, query) <= TOLERANCE


def _beyond_box(points: np.ndarray, query: np.ndarray) -> np.ndarray | None:
    """The axis along which a query leaves the points' bounding box furthest, as most codes that are outside do."""
    low, high = points.min(0), points.max(0)
    room = TOLERANCE * np.maximum((high - low) / 2, 1e-12)
    over = np.maximum(low - room - query, query - high - room)
    if over.max() <= 0:
        return None
    axis = int(over.argmax())
    direction = np.zeros(len(query))
    direction[axis] = 1.0 if query[axis] > high[axis] else -1.0
    return direction
