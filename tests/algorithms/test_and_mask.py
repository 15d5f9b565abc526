"""AND-Mask against loops over coordinates, on the toy example's gradients, and as an update."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from masked import assert_follows

from landscape.algorithms.rules.and_mask import and_mask
from landscape.toy.four_gradients import GRADIENTS


def by_coordinate(gradients: torch.Tensor, tau: float, geometric: bool = False) -> torch.Tensor:
    """The rule, a coordinate at a time."""
    kept, values = [], []
    for column in gradients.flatten(1).T.tolist():
        positive, negative = sum(g > 0 for g in column), sum(g < 0 for g in column)
        kept.append(abs(positive - negative) / len(column) >= tau)
        mean = sum(column) / len(column)
        if geometric:
            mean = math.copysign(math.prod(abs(g) + 1e-10 for g in column) ** (1 / len(column)), mean)
        values.append(mean)
    share = sum(kept) / len(kept) + 1e-10
    masked = [value / share if keep else 0.0 for keep, value in zip(kept, values, strict=True)]
    return torch.tensor(masked, dtype=gradients.dtype).view(gradients.shape[1:])


@given(st.integers(0, 10_000), st.integers(2, 5), st.sampled_from([0.0, 0.5, 0.7, 1.0]), st.booleans())
def test_one_coordinate_at_a_time(seed: int, count: int, tau: float, geometric: bool) -> None:
    gradients = torch.randn(count, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    expected = by_coordinate(gradients, tau, geometric)
    torch.testing.assert_close(and_mask(gradients, tau, geometric=geometric), expected)


def test_the_toy_example() -> None:
    # Half of the components is kept: the rescaled mean is (-0.75, 0), and the paper's unscaled sum (-1.5, 0).
    gradients = torch.tensor(GRADIENTS, dtype=torch.float64)
    kept = and_mask(gradients, 0.5)
    torch.testing.assert_close(kept * 4 / 2, torch.tensor([-1.5, 0.0], dtype=torch.float64))


def test_without_agreement_nothing_moves_and_at_zero_it_is_the_mean() -> None:
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])
    torch.testing.assert_close(and_mask(gradients, 1.0), torch.zeros(2))
    torch.testing.assert_close(and_mask(gradients, 0.0), gradients.mean(0))


@pytest.mark.parametrize("geometric", [False, True])
def test_an_update_follows_the_masked_gradients(geometric: bool) -> None:
    assert_follows("and-mask", lambda g: by_coordinate(g, 1.0, geometric), geometric=geometric)
