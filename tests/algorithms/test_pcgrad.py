"""PCGrad against itself on whole vectors, against TorchJD, and as an update."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from small import SOURCES, assert_moved_by, batch, made, network, run, weights
from torchjd.aggregation import PCGrad

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.rules.kinds import gram
from landscape.algorithms.rules.pcgrad import pcgrad
from landscape.seeding import numpy_generator


def on_vectors(gradients: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Algorithm 1 on the gradients themselves, in float64: their projections, one a row."""
    projected = gradients.copy()
    for i in range(len(gradients)):
        for j in generator.permutation([j for j in range(len(gradients)) if j != i]):
            product = projected[i] @ gradients[j]
            if product < 0:
                projected[i] -= product / (gradients[j] @ gradients[j]) * gradients[j]
    return projected


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_coefficients_give_the_projected_vectors(seed: int, count: int) -> None:
    gradients = np.random.default_rng(seed).standard_normal((count, 9))
    mixed = pcgrad(gradients @ gradients.T, np.random.default_rng(seed)) @ gradients
    np.testing.assert_allclose(mixed, on_vectors(gradients, np.random.default_rng(seed)), atol=1e-10)


@given(st.integers(0, 10_000))
def test_two_gradients_as_another_library_projects_them(seed: int) -> None:
    # With two there is one order.
    gradients = torch.randn(2, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    ours = pcgrad((gradients @ gradients.T).numpy(), np.random.default_rng(0)).sum(0) @ gradients.numpy()
    np.testing.assert_allclose(ours, PCGrad()(gradients).numpy(), atol=1e-10)


def test_conflicting_pairs_end_at_right_angles_and_others_stay() -> None:
    first, second = pcgrad(np.array([[1.0, -0.5], [-0.5, 2.0]]), np.random.default_rng(0))
    product = np.array([[1.0, -0.5], [-0.5, 2.0]])
    assert first @ product[1] == pytest.approx(0)
    assert second @ product[0] == pytest.approx(0)
    agreeing = np.array([[1.0, 0.5], [0.5, 2.0]])
    np.testing.assert_array_equal(pcgrad(agreeing, np.random.default_rng(0)), np.eye(2))


def test_a_domain_without_a_gradient_is_no_division_by_zero() -> None:
    np.testing.assert_array_equal(pcgrad(np.diag([0.0, 1.0]), np.random.default_rng(0)), np.eye(2))


@pytest.mark.parametrize("total", ["mean", "sum"])
def test_an_update_follows_the_projected_gradients(total: str) -> None:
    net, minibatch = network(), batch()
    before = weights(net)
    rows = []
    for domain in range(SOURCES):
        loss = F.cross_entropy(net(minibatch.images[domain]), minibatch.labels[domain])
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))]).double())
    expected = on_vectors(torch.stack(rows).numpy(), numpy_generator(0, "algorithm", 4, "rule")).sum(0)
    expected = torch.from_numpy(expected / (SOURCES if total == "mean" else 1)).float()
    pieces = expected.split([parameter.numel() for parameter in net.parameters()])

    config = run("pcgrad", options=METHODS["pcgrad"].options(total=total))
    metrics = made(net, config).update(minibatch, 4)
    assert_moved_by(before, net, [p.view_as(old) for p, old in zip(pieces, before.values(), strict=True)])
    products = (torch.stack(rows) @ torch.stack(rows).T).numpy()
    cosines = (products / np.sqrt(np.outer(np.diag(products), np.diag(products))))[np.triu_indices(SOURCES, 1)]
    assert float(metrics["cosine"]) == pytest.approx(cosines.mean())
    assert float(metrics["conflicts"]) == pytest.approx((cosines < 0).mean())


def test_weights_that_a_domain_does_not_reach_count_as_zero() -> None:
    gradients = [[torch.tensor([1.0, 2.0]), None], [None, torch.tensor([3.0])]]
    np.testing.assert_array_equal(gram(gradients), [[5.0, 0.0], [0.0, 9.0]])
