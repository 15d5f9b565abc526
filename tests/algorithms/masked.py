"""One update of a coordinate rule, beside the same rule on gradients that are taken here."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from small import SOURCES, assert_moved_by, batch, made, network, run, weights

from landscape.algorithms.catalogue import METHODS


def assert_follows(name: str, rule: Callable[[torch.Tensor], torch.Tensor], **options: Any) -> None:
    """An update of method `name` moves every tensor along `rule` of the domains' stacked gradients."""
    net, minibatch = network(), batch()
    before = weights(net)
    rows = [
        torch.autograd.grad(F.cross_entropy(net(minibatch.images[d]), minibatch.labels[d]), list(net.parameters()))
        for d in range(SOURCES)
    ]
    expected = [rule(torch.stack(tensors)) for tensors in zip(*rows, strict=True)]
    made(net, run(name, options=METHODS[name].options(**options))).update(minibatch, 4)
    assert_moved_by(before, net, expected)
