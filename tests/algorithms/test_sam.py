"""SAM and ASAM: the gradient at the point that their papers name."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small import assert_moved_by, batch, made, network, run, weights
from torch import nn

from landscape.algorithms.ascent.sam import climb
from landscape.algorithms.catalogue import METHODS
from landscape.models import Network


def gradients(net: Network) -> list[torch.Tensor]:
    minibatch = batch()
    loss = F.cross_entropy(net(minibatch.images.flatten(0, 1)), minibatch.labels.flatten())
    return list(torch.autograd.grad(loss, list(net.parameters())))


@pytest.mark.parametrize("adaptive", [False, True])
def test_an_update_takes_the_gradient_from_above(adaptive: bool) -> None:
    net = network()
    before, up = weights(net), copy.deepcopy(net)
    flat = torch.cat([g.flatten() for g in gradients(net)]).double()
    theta = torch.cat([p.detach().flatten() for p in net.parameters()]).double()
    step = theta**2 * flat / (theta * flat).norm() if adaptive else flat / flat.norm()
    pieces = (theta + 0.3 * step).float().split([p.numel() for p in net.parameters()])
    with torch.no_grad():
        for parameter, piece in zip(up.parameters(), pieces, strict=True):
            parameter.copy_(piece.view_as(parameter))
    config = run("sam", options=METHODS["sam"].options(rho=0.3, adaptive=adaptive))
    metrics = made(net, config).update(batch(), 1)
    assert_moved_by(before, net, gradients(up))
    assert float(metrics["loss_ascended"]) > float(metrics["loss"])


def test_no_gradient_no_move() -> None:
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.zeros(3)
    (move,) = climb([weight], rho=1.0)
    assert torch.equal(move, torch.zeros(3))


def test_running_statistics_count_the_first_pass_only() -> None:
    def with_norm() -> Network:
        net = network()
        torch.manual_seed(0)
        net.featurizer = nn.Sequential(nn.BatchNorm2d(3), net.featurizer)
        return net.train()

    nets = {}
    for name in ("erm", "sam"):
        nets[name] = with_norm()
        made(nets[name], run(name)).update(batch(), 1)
    for a, b in zip(nets["erm"].buffers(), nets["sam"].buffers(), strict=True):
        torch.testing.assert_close(a, b)
    assert nets["sam"].featurizer[0].momentum == 0.1
