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
    from scipy.optimize import linprog

    low, high = points.min(0), points.max(0)
    half = (high - low) / 2
    flat = half <= 1e-12 * np.maximum(1.0, np.abs(low))
    if np.any(np.abs(query - low)[flat] > TOLERANCE * np.maximum(1.0, np.abs(low[flat]))):
        return float("inf")
    if flat.all():
        return 0.0
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
    return float(solved.fun)


def in_hull(points: np.ndarray, query: np.ndarray) -> bool:
    """Whether a query (d,) lies in the convex hull of points (V, d), boundary included."""
    if len(points) == 0:
        return False
    low, high = points.min(0), points.max(0)
    room = TOLERANCE * np.maximum((high - low) / 2, 1e-12)
    # Most codes that are outside are outside of the bounding box already.
    if np.any(query < low - room) or np.any(query > high + room):
        return False
    return hull_distance(points, query) <= TOLERANCE
