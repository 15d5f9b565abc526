"""The rectangle contains what it has to, at the resolution asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.errors import InputError
from landscape.surface.grid import Grid
from landscape.surface.recipe import Where

coordinate = st.floats(-1e3, 1e3)


@settings(deadline=None)
@given(
    points=st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=8),
    count=st.integers(2, 9),
    margin=st.floats(0, 1),
)
def test_it_contains_every_point_with_its_margin(points, count, margin) -> None:
    points = [*points, (0.0, 0.0), (1.0, 1.0)]
    grid = Grid.around(points, where=Where(points=count, margin=margin))
    low, high = np.min(points, 0), np.max(points, 0)
    room = margin * (high - low)
    np.testing.assert_allclose([grid.x[0], grid.y[0]], low - room)
    np.testing.assert_allclose([grid.x[-1], grid.y[-1]], high + room)
    assert len(grid) == count**2 == len(grid.cells())
    assert all(grid.x[0] <= x <= grid.x[-1] and grid.y[0] <= y <= grid.y[-1] for x, y in points)


def test_given_ranges_replace_the_computed_ones() -> None:
    # A range that starts at 0 is a range.
    grid = Grid.around([(0, 0), (1, 2)], where=Where(points=3, margin=0.5, x_range=(0.0, 4.0)))
    assert grid.x.tolist() == [0.0, 2.0, 4.0]
    assert grid.y.tolist() == [-1.0, 1.0, 3.0]


def test_rows_and_columns_are_not_mixed_up() -> None:
    grid = Grid.around([(0, 0), (1, 1)], where=Where(points=2, margin=0.0))
    assert grid.cells() == [(0, 0), (0, 1), (1, 0), (1, 1)]
    grid = Grid(np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0]))
    assert grid.cells()[:4] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert len(grid) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 1}, "--points is 1; expected at least 2"),
        ({"margin": -0.1}, r"--margin is -0\.1"),
        ({"margin": float("nan")}, "--margin is nan"),
        ({"x_range": (2.0, 2.0)}, "--x-range is 2 2; expected a first value below the last"),
        ({"y_range": (3.0, 2.0)}, "--y-range is 3 2"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(options, message) -> None:
    with pytest.raises(InputError, match=message):
        Where(**options)
