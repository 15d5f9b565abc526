"""Mixup codes and their control: sums, signs, shares."""

import numpy as np
import pytest
import torch

from landscape.embedding.mixed import Mixed, matched_control, padded
from landscape.errors import InputError
from landscape.fgmix.mixing import extrapolated, mix_codes, scale_and_shift


def random_mixed(rng: np.random.Generator, *, count: int = 200, scale: float = 2.0, n: int = 3) -> Mixed:
    weights = torch.from_numpy(rng.dirichlet(np.ones(n), count))
    return Mixed("X", rng.integers(0, 40, (count, n)), scale_and_shift(weights, scale).float().numpy())


def test_codes_and_signs_are_those_of_the_training_code() -> None:
    rng = np.random.default_rng(0)
    mixed, codes = random_mixed(rng), rng.standard_normal((40, 7)).astype(np.float32)
    weights, rows = torch.from_numpy(mixed.weights), torch.from_numpy(mixed.members)
    expected = mix_codes(torch.from_numpy(codes).double(), rows, weights.double())
    np.testing.assert_allclose(mixed.codes(codes), expected, atol=1e-6)
    assert mixed.extrapolated.tolist() == extrapolated(weights).tolist()
    assert 0 < mixed.extrapolated.sum() < len(mixed)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.2, 2.0, 5.0, 1e4])
def test_the_control_has_the_same_count_and_exactly_the_same_share(scale: float) -> None:
    rng = np.random.default_rng(1)
    mixed = random_mixed(rng, scale=scale)
    control = matched_control(mixed, rng)
    assert control.extrapolated.sum() == mixed.extrapolated.sum()
    assert np.array_equal(control.members, mixed.members)
    assert not np.array_equal(control.weights, mixed.weights)
    np.testing.assert_allclose(control.weights.astype(float).sum(1), 1, atol=1e-3 if scale > 100 else 1e-5)


def test_the_control_is_eq_5_of_uniform_dirichlet_weights() -> None:
    mixed = random_mixed(np.random.default_rng(2), count=20_000, scale=2.0)
    weights = matched_control(mixed, np.random.default_rng(3)).weights.astype(float)
    # Same lambda for all: undone, the weights are a Dirichlet(1, 1, 1) draw, whose variance is 1/18 each.
    scale = np.sqrt(weights.var(0).mean() * 18)
    assert scale == pytest.approx(2.0, rel=0.03)  # the original weights are such a draw as well
    first = (weights - (1 - scale) / 3) / scale
    assert first.mean(0) == pytest.approx([1 / 3] * 3, abs=0.01)


def test_groups_of_different_sizes_go_together() -> None:
    small, large = Mixed("S", [[0, 1]], [[0.25, 0.75]]), Mixed("L", [[2, 1, 0]], [[1.5, -0.25, -0.25]])
    members, weights = padded([small, large])
    assert members.tolist() == [[0, 1, -1], [2, 1, 0]]
    assert np.isnan(weights[0, 2])
    codes = np.eye(3, dtype=np.float32)
    again = Mixed("S", members[:1], weights[:1])
    assert again.codes(codes).tolist() == small.codes(codes).tolist() == [[0.25, 0.75, 0.0]]
    assert not again.extrapolated.any()
    assert matched_control(again, np.random.default_rng(0)).weights[0, :2].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("members", "weights", "said"),
    [
        ([[0, 1]], [[0.5, 0.6]], "do not sum to 1"),
        ([[0, 1]], [[0.5, 0.5, 0.0]], "expected two arrays"),
        ([[-1, 1]], [[0.5, 0.5]], "first"),
        (np.empty((0, 2)), np.empty((0, 2)), "expected two arrays"),
    ],
)
def test_mistakes_are_explained(members, weights, said) -> None:
    with pytest.raises(InputError, match=said):
        Mixed("X", members, weights)
