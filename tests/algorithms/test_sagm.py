"""SAGM: an update by hand, and what batch norm counts."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small import assert_moved_by, batch, made, network, run, weights
from torch import nn

from landscape.algorithms.catalogue import METHODS


def flat_gradient(net: nn.Module) -> torch.Tensor:
    minibatch = batch()
    loss = F.cross_entropy(net(minibatch.images.flatten(0, 1)), minibatch.labels.flatten())
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))]).double()


@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_an_update_is_the_mean_of_two_gradients(alpha: float) -> None:
    net = network()
    before, up = weights(net), copy.deepcopy(net)
    g = flat_gradient(net)
    theta = nn.utils.parameters_to_vector(net.parameters()).detach().double()
    nn.utils.vector_to_parameters((theta + 0.3 * g / g.norm() - alpha * g).float(), up.parameters())
    expected = ((g + flat_gradient(up)) / 2).float().split([p.numel() for p in net.parameters()])
    made(net, run("sagm", options=METHODS["sagm"].options(rho=0.3, alpha=alpha))).update(batch(), 1)
    assert_moved_by(before, net, [piece.view_as(old) for piece, old in zip(expected, before.values(), strict=True)])


def test_running_statistics_count_the_first_pass_only() -> None:
    found = {}
    for name in ("erm", "sagm"):
        net = network()
        torch.manual_seed(0)
        net.featurizer = nn.Sequential(nn.BatchNorm2d(3), net.featurizer)
        made(net.train(), run(name)).update(batch(), 1)
        found[name] = net.featurizer[0]
    torch.testing.assert_close(found["erm"].running_mean, found["sagm"].running_mean)
    torch.testing.assert_close(found["erm"].running_var, found["sagm"].running_var)
