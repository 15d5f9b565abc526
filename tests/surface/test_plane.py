"""The laws of the plane, against brute force in NumPy float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from landscape.errors import InputError
from landscape.surface import Plane, Trajectory
from landscape.weights import dot, norm, weights_of

SHAPES = {"conv.weight": (3, 2, 2), "conv.bias": (3,), "scalar": (), "head.weight": (4, 3)}
SIZE = 12 + 3 + 1 + 12


def named(vector: np.ndarray, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    tensors, start = {}, 0
    for name, shape in SHAPES.items():
        size = math.prod(shape)
        tensors[name] = torch.tensor(vector[start : start + size].reshape(shape), dtype=dtype)
        start += size
    return tensors


def flat(weights: dict[str, torch.Tensor]) -> np.ndarray:
    return np.concatenate([weights[name].double().numpy().reshape(-1) for name in SHAPES])


def points(seed: int, count: int, scale: float = 1.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [scale * rng.standard_normal(SIZE) for _ in range(count)]


def plane(seed: int = 0, scale: float = 1.0) -> Plane:
    a, b, c = points(seed, 3, scale)
    return Plane.through(named(a), named(b), named(c))


coordinate = st.floats(-100, 100)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-3, 1.0, 1e3]), x=coordinate, y=coordinate)
def test_a_point_of_the_plane_projects_onto_itself(seed: int, scale: float, x: float, y: float) -> None:
    px, py, residual = plane(seed, scale).project(plane(seed, scale).at(x, y))
    tolerance = 1e-11 * (abs(x) + abs(y) + scale)
    assert (px, py) == pytest.approx((x, y), abs=tolerance)
    assert residual < tolerance


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_the_axes_are_orthonormal(seed: int, scale: float) -> None:
    p = plane(seed, scale)
    assert norm(p.e1) == pytest.approx(1.0, abs=1e-14)
    assert norm(p.e2) == pytest.approx(1.0, abs=1e-14)
    assert abs(dot(p.e1, p.e2)) < 1e-14


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), tilt=st.sampled_from([1e-4, 1e-2, 1.0]))
def test_nearly_collinear_anchors_still_give_orthogonal_axes(seed: int, tilt: float) -> None:
    a, b, c = points(seed, 3)
    near = a + 0.6 * (b - a) + tilt * c
    p = Plane.through(named(a), named(b), named(near))
    assert abs(dot(p.e1, p.e2)) < 1e-13


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_anchors_lie_on_the_plane_exactly(seed: int) -> None:
    vectors = points(seed, 3)
    # float32 weights, as checkpoints hold them
    anchors = [named(v, torch.float32) for v in vectors]
    p = Plane.through(*anchors)
    for weights, (x, y) in zip(anchors, p.anchors, strict=True):
        px, py, residual = p.project(weights)
        assert (px, py) == pytest.approx((x, y), abs=1e-12)
        assert residual < 1e-12
        back = p.at(x, y)
        assert np.abs(flat(back) - flat(weights)).max() < 1e-14
        for name, tensor in back.items():
            assert torch.equal(tensor.float(), weights[name])
    assert p.anchors[0] == (0.0, 0.0)
    assert p.anchors[1][1] == 0.0
    assert p.anchors[1][0] > 0
    assert p.anchors[2][1] > 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_projection_equals_least_squares(seed: int) -> None:
    a, b, c, w = points(seed, 4)
    basis = np.stack([b - a, c - a], axis=1)
    coefficients, *_ = np.linalg.lstsq(basis, w - a, rcond=None)
    p = Plane.through(named(a), named(b), named(c))
    x, y, residual = p.project(named(w))
    nearest = a + basis @ coefficients
    np.testing.assert_allclose(flat(p.at(x, y)), nearest, atol=1e-12)
    assert residual == pytest.approx(np.linalg.norm(w - nearest), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), x=coordinate, y=coordinate)
def test_barycentric_coefficients_rebuild_the_point(seed: int, x: float, y: float) -> None:
    a, b, c = points(seed, 3)
    p = Plane.through(named(a), named(b), named(c))
    k = p.barycentric(x, y)
    assert sum(k) == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(k[0] * a + k[1] * b + k[2] * c, flat(p.at(x, y)), atol=1e-9)


def test_a_plane_known_by_hand() -> None:
    zero, along, up = np.zeros(SIZE), np.zeros(SIZE), np.zeros(SIZE)
    along[3], up[3], up[20] = 2.0, 1.0, 3.0
    p = Plane.through(named(zero), named(along), named(up))
    assert p.anchors == ((0.0, 0.0), (2.0, 0.0), (1.0, 3.0))
    assert p.angle == pytest.approx(math.degrees(math.atan(3.0)))


def test_axes_of_millions_of_float32_weights_are_orthogonal() -> None:
    torch.manual_seed(0)
    base = torch.randn(2_000_000) * 10
    a, b = {"w": base}, {"w": base + 0.01 * torch.randn_like(base)}
    c = {"w": base + 0.7 * (b["w"] - base) + 0.001 * torch.randn_like(base)}
    p = Plane.through(a, b, c)
    assert abs(dot(p.e1, p.e2)) < 1e-12


def test_weights_of_a_network() -> None:
    torch.manual_seed(0)
    a, b, c = (weights_of(nn.Linear(5, 3)) for _ in range(3))
    p = Plane.through(a, b, c)
    for weights, at in zip((a, b, c), p.anchors, strict=True):
        assert all(torch.equal(tensor.float(), weights[name]) for name, tensor in p.at(*at).items())


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 2), (1, 2)])
def test_identical_checkpoints_are_named(first: int, second: int) -> None:
    vectors = points(0, 3)
    vectors[second] = vectors[first]
    labels = ("init", "ERM", "FGMix")
    with pytest.raises(InputError, match=f"{labels[first]} and {labels[second]} have identical weights"):
        Plane.through(*map(named, vectors), labels=labels)


@pytest.mark.parametrize("t", [-0.5, 0.3, 2.0])
def test_collinear_checkpoints_state_the_angle(t: float) -> None:
    a, b = points(0, 2)
    # float32, as checkpoints are: the third is on the line up to its rounding
    three = [named(v, torch.float32) for v in (a, b, a + t * (b - a))]
    with pytest.raises(InputError, match=r"lie on one line .* degrees apart"):
        Plane.through(*three)


def test_different_architectures_name_the_first_tensor() -> None:
    a, b, c = map(named, points(0, 3))
    lacking = {name: tensor for name, tensor in c.items() if name != "conv.bias"}
    with pytest.raises(InputError, match=r"conv\.bias is missing from w3"):
        Plane.through(a, b, lacking)
    with pytest.raises(InputError, match=r"extra is missing from w1"):
        Plane.through(a, b | {"extra": torch.zeros(1)}, c)
    with pytest.raises(InputError, match=r"head\.weight has shape \(4, 3\) in w1 and \(2, 3\) in w2"):
        Plane.through(a, b | {"head.weight": torch.zeros(2, 3)}, c)


def test_values_that_are_not_finite_are_refused() -> None:
    a, b, c = map(named, points(0, 3))
    b["conv.bias"][1] = math.nan
    with pytest.raises(InputError, match=r"ERM has values that are not finite in conv\.bias"):
        Plane.through(a, b, c, labels=("init", "ERM", "FGMix"))
    with pytest.raises(InputError, match="not finite"):
        plane().project(named(np.full(SIZE, np.inf)))


def test_equal_labels_are_told_apart() -> None:
    assert Plane.through(*map(named, points(0, 3)), labels=("a", "a", "b")).labels == ("a (1)", "a (2)", "b (3)")


def test_a_trajectory_of_the_anchors_is_their_coordinates() -> None:
    vectors = points(3, 3)
    p = Plane.through(*map(named, vectors))
    path = Trajectory.of(p, enumerate(map(named, vectors)), label="ERM", kind="swa")
    np.testing.assert_allclose(np.stack([path.x, path.y], 1), p.anchors, atol=1e-12)
    assert path.residual.max() < 1e-12
    assert path.explained == pytest.approx(1.0, abs=1e-12)
    assert len(path) == 3
    assert path.step.tolist() == [0, 1, 2]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 6))
def test_explained_variance_equals_brute_force(seed: int, count: int) -> None:
    a, b, c, *path = points(seed, 3 + count)
    p = Plane.through(named(a), named(b), named(c))
    path_ = np.stack(path)
    centred = path_ - path_.mean(0)
    basis = np.stack([flat(p.e1), flat(p.e2)])
    assume(np.linalg.norm(centred) > 1e-6)
    expected = np.linalg.norm(centred @ basis.T) ** 2 / np.linalg.norm(centred) ** 2
    assert Trajectory.of(p, enumerate(map(named, path))).explained == pytest.approx(expected, rel=1e-9)


def test_a_path_without_movement_explains_nothing() -> None:
    a, *_ = points(0, 1)
    assert math.isnan(Trajectory.of(plane(), [(0, named(a))]).explained)
    with pytest.raises(InputError, match="holds no checkpoints"):
        Trajectory.of(plane(), [], label="ERM")
