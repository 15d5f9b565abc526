"""GSAM: the decomposition in float64, the radius at a step, and an update by hand."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from small import assert_moved_by, batch, made, network, run, weights
from torch import nn

from landscape.algorithms.ascent.gsam import decomposed
from landscape.algorithms.catalogue import METHODS
from landscape.errors import InputError


def flat_gradient(net: nn.Module) -> torch.Tensor:
    minibatch = batch()
    loss = F.cross_entropy(net(minibatch.images.flatten(0, 1)), minibatch.labels.flatten())
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))]).double()


@given(st.integers(0, 10_000))
def test_what_is_taken_away_is_the_rest_of_a_least_squares_fit(seed: int) -> None:
    g, h = np.random.default_rng(seed).standard_normal((2, 9))
    (fit,), *_ = np.linalg.lstsq(h[:, None], g, rcond=None)
    parts = [[torch.from_numpy(each[:4]), torch.from_numpy(each[4:])] for each in (g, h)]
    ours = torch.cat(decomposed(*parts, alpha=0.3)).numpy()
    np.testing.assert_allclose(ours, h - 0.3 * (g - fit * h), atol=1e-6)


def test_without_a_gradient_above_nothing_is_divided_by_zero() -> None:
    (found,) = decomposed([torch.ones(2)], [torch.zeros(2)], alpha=0.5)
    assert torch.equal(found, torch.full((2,), -0.5))


@pytest.mark.parametrize(("schedule", "rho_min", "radius"), [("constant", 0.3, 0.3), ("cosine", 0.1, 0.2)])
def test_an_update_takes_both_gradients(schedule: str, rho_min: float, radius: float) -> None:
    net = network()
    before, up = weights(net), copy.deepcopy(net)
    g = flat_gradient(net)
    with torch.no_grad():
        nn.utils.vector_to_parameters(
            nn.utils.parameters_to_vector(net.parameters()) + (radius * g / g.norm()).float(), up.parameters()
        )
    h = flat_gradient(up)
    expected = (h - 0.4 * (g - (g @ h) / (h @ h) * h)).float()
    pieces = expected.split([p.numel() for p in net.parameters()])
    options = METHODS["gsam"].options(rho=0.3, rho_min=rho_min, alpha=0.4)
    # Half way the cosine has halved the learning rate.
    config = run("gsam", options=options, schedule=schedule, steps=100)
    made(net, config).update(batch(), 51)
    expected_pieces = [piece.view_as(old) for piece, old in zip(pieces, before.values(), strict=True)]
    assert_moved_by(before, net, expected_pieces, lr=0.1 if schedule == "constant" else 0.05)


def test_two_radii_need_a_learning_rate_that_falls() -> None:
    with pytest.raises(InputError, match="--schedule cosine"):
        made(network(), run("gsam", options=METHODS["gsam"].options(rho_min=0.01)))
