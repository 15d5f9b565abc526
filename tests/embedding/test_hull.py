"""Membership in a convex hull, against triangulations and the closed form of a simplex."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, Delaunay

from landscape.embedding.hull import hull_distance, in_hull, separates, separation


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.sampled_from([2, 3]), scale=st.sampled_from([1e-3, 1.0, 1e4]))
def test_it_agrees_with_a_triangulation(seed: int, d: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    # Far from the origin and stretched: nothing hangs on scale.
    points = scale * (rng.standard_normal((12, d)) * np.geomspace(1, 50, d) + 7)
    queries = points.mean(0) + 1.5 * (rng.standard_normal((12, d)) * points.std(0))
    expected = Delaunay(points).find_simplex(queries) >= 0
    assert [in_hull(points, query) for query in queries] == expected.tolist()


def test_it_agrees_with_the_half_spaces_of_the_hull_in_five_dimensions() -> None:
    rng = np.random.default_rng(3)
    points, queries = rng.standard_normal((30, 5)), 0.5 * rng.standard_normal((60, 5))
    faces = ConvexHull(points).equations
    expected = (queries @ faces[:, :-1].T + faces[:, -1] <= 0).all(1)
    assert 5 < expected.sum() < 55
    assert [in_hull(points, query) for query in queries] == expected.tolist()


def test_a_simplex_has_a_closed_form() -> None:
    rng = np.random.default_rng(4)
    d = 8
    corners = np.concatenate([np.zeros((1, d)), np.eye(d)])
    queries = rng.dirichlet(np.full(d, 0.5), 40) * rng.uniform(0.5, 1.5, (40, 1))
    expected = (queries.sum(1) <= 1) & (queries >= 0).all(1)
    assert [in_hull(corners, query) for query in queries] == expected.tolist()


def test_corners_edges_and_combinations_are_inside_and_a_step_out_is_not() -> None:
    rng = np.random.default_rng(5)
    points = rng.standard_normal((20, 10))
    for row in points:
        assert in_hull(points, row)
    assert in_hull(points, (points[0] + points[1]) / 2)
    far = points[np.linalg.norm(points, axis=1).argmax()]
    assert not in_hull(points, far * 1.001)


def test_points_in_a_plane_contain_what_lies_in_it_only() -> None:
    rng = np.random.default_rng(6)
    flat = np.column_stack([rng.standard_normal((9, 2)), np.full(9, 3.0)])
    middle, above = flat.mean(0), flat.mean(0) + np.array([0, 0, 0.1])
    assert in_hull(flat, middle)
    assert not in_hull(flat, above)
    assert hull_distance(flat, above) == np.inf
    # The same plane, tilted: no coordinate is constant.
    tilt = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert in_hull(flat @ tilt, middle @ tilt)
    assert not in_hull(flat @ tilt, above @ tilt)


def test_the_distance_is_zero_inside_and_grows_outside() -> None:
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    assert hull_distance(square, np.array([0.2, -0.9])) == pytest.approx(0, abs=1e-9)
    assert hull_distance(square, np.array([1.5, 0])) == pytest.approx(0.5)
    assert hull_distance(square, np.array([1.5, 2])) == pytest.approx(1.5)
    assert not in_hull(square[:0], np.zeros(2))
    assert in_hull(square[:1], square[0])
    assert not in_hull(square[:1], square[1])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.sampled_from([1, 3, 6]), scale=st.sampled_from([1e-3, 1.0, 1e4]))
def test_a_direction_separates_exactly_what_is_outside(seed: int, d: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    points = scale * (rng.standard_normal((14, d)) * np.geomspace(1, 50, d) + 7)
    extra = points.mean(0) + 1.5 * (rng.standard_normal((4, d)) * points.std(0))
    larger = np.concatenate([points, extra])
    for query in points.mean(0) + rng.standard_normal((12, d)) * points.std(0):
        direction = separation(points, query)
        assert (direction is None) == in_hull(points, query)
        if direction is not None:
            assert direction @ query > (points @ direction).max()
            assert separates(direction, points, query)
            if separates(direction, larger, query):  # the certificate never errs, though it may be missing
                assert not in_hull(larger, query)
                assert not in_hull(extra, query)
        assert not any(separates(way, points, points.mean(0)) for way in np.eye(d))


def test_a_query_off_a_plane_is_separated_along_its_normal() -> None:
    square = np.array([[0.0, 0, 2], [1, 0, 2], [0, 1, 2], [1, 1, 2]])
    np.testing.assert_array_equal(separation(square, np.array([0.5, 0.5, 2.5])), [0, 0, 1.0])
    assert separation(square, np.array([0.5, 0.5, 2])) is None
    assert not separates(np.array([0.0, 0, 1]), np.concatenate([square, [[0, 0, 3]]]), np.array([0.5, 0.5, 2.5]))
