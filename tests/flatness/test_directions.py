"""Directions: uniform on the sphere, the same for everybody, none of them kept."""

import math

import numpy as np
import torch
from scipy import stats

from landscape.flatness.directions import Direction

LIKE = {"a": torch.zeros(3, 4), "b": torch.zeros(5), "c": torch.zeros(())}


def flat(direction: Direction) -> np.ndarray:
    return np.concatenate([direction.scale * part.double().numpy().ravel() for part in direction.parts.values()])


def test_they_have_unit_length() -> None:
    for k in range(5):
        assert abs(math.fsum(flat(Direction.draw(LIKE, k)) ** 2) - 1) < 1e-12
    long = Direction.draw({"w": torch.zeros(300_000)}, 0)
    assert abs(math.fsum(flat(long) ** 2) - 1) < 1e-12


def test_they_depend_on_seed_number_and_shapes_only() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = flat(Direction.draw(LIKE, 3, seed=2))
    assert torch.equal(torch.get_rng_state(), state)
    filled = {name: torch.randn_like(tensor, dtype=torch.float64) for name, tensor in LIKE.items()}
    np.testing.assert_array_equal(first, flat(Direction.draw(filled, 3, seed=2)))
    assert not np.allclose(first, flat(Direction.draw(LIKE, 4, seed=2)))
    assert not np.allclose(first, flat(Direction.draw(LIKE, 3, seed=3)))


def test_they_are_uniform_on_the_sphere() -> None:
    # On the sphere in P dimensions the square of a coordinate is Beta(1/2, (P - 1) / 2), and signs are fair.
    some = np.stack([flat(Direction.draw(LIKE, k)) for k in range(400)])
    size = some.shape[1]
    for i in (0, 11, 17):
        assert stats.kstest(some[:, i] ** 2, stats.beta(0.5, (size - 1) / 2).cdf).pvalue > 1e-3
    assert np.abs(some.mean(0)).max() < 4 / math.sqrt(size * len(some))
    covariance = some.T @ some / len(some)
    assert np.abs(covariance - np.eye(size) / size).max() < 5 / size / math.sqrt(len(some))


def test_a_step_is_added_in_float64_and_rounded_once() -> None:
    theta = {
        name: torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0)) for name, tensor in LIKE.items()
    }
    direction = Direction.draw(LIKE, 0)
    for gamma in (0.0, 0.3, 17.0):
        moved, exact = direction.step(theta, gamma), direction.step(theta, gamma, torch.float64)
        written = {name: tensor.clone() for name, tensor in theta.items()}
        direction.write(theta, gamma, written)
        for name, tensor in theta.items():
            expected = tensor.double().numpy() + gamma * direction.scale * direction.parts[name].double().numpy()
            np.testing.assert_allclose(exact[name].numpy(), expected, rtol=1e-15, atol=1e-15)
            assert torch.equal(moved[name], exact[name].float())
            assert torch.equal(written[name], moved[name])
    assert all(torch.equal(direction.step(theta, 0.0)[name], tensor) for name, tensor in theta.items())
