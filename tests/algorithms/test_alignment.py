"""CORAL and its pairs of domains: NumPy's moments, and an update by hand."""

from itertools import combinations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from small import SOURCES, assert_moved_by, batch, made, network, run, weights

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.penalties.coral import moments_distance
from landscape.errors import InputError

DISTANCES = {"coral": moments_distance}


def samples(seed: int, size: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(size, dim, dtype=torch.float64, generator=generator)
    return first, 0.5 + 2 * torch.randn(size + 1, dim, dtype=torch.float64, generator=generator)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 5))
def test_moments_are_numpys(seed: int, size: int, dim: int) -> None:
    first, second = samples(seed, size, dim)
    a, b = first.numpy(), second.numpy()
    covariances = [np.atleast_2d(np.cov(each, rowvar=False)) for each in (a, b)]
    expected = ((a.mean(0) - b.mean(0)) ** 2).mean() + ((covariances[0] - covariances[1]) ** 2).mean()
    assert float(moments_distance(first, second)) == pytest.approx(expected)


@pytest.mark.parametrize("name", list(DISTANCES))
def test_an_update_adds_the_mean_over_pairs(name: str) -> None:
    net, minibatch = network(), batch()
    before = weights(net)
    codes = [net.featurizer(images) for images in minibatch.images]
    loss = F.cross_entropy(net.classifier(torch.cat(codes)), minibatch.labels.flatten())
    penalty = sum(DISTANCES[name](codes[i], codes[j]) for i, j in combinations(range(SOURCES), 2)) / 3
    gradients = torch.autograd.grad(loss + 0.7 * penalty, list(net.parameters()))
    metrics = made(net, run(name, options=METHODS[name].options(weight=0.7))).update(minibatch, 1)
    assert_moved_by(before, net, gradients)
    torch.testing.assert_close(metrics["penalty"], penalty.detach())
    torch.testing.assert_close(metrics["loss"], loss.detach())


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(InputError, match="CORAL needs at least 2 images of each domain"):
        made(network(), run("coral", batch_size=1))
