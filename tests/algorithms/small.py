"""A network of a few weights, a minibatch for it, and one update by hand."""

from typing import Any

import numpy as np
import torch
from torch import nn

from landscape.algorithms import Algorithm, Facts, build_algorithm
from landscape.config import RunConfig
from landscape.data import Minibatch
from landscape.models import Network

SOURCES, BATCH, CLASSES, DIM = 3, 5, 2, 4


def run(algorithm: str, **fields: Any) -> RunConfig:
    """A configuration whose one step is easy to write out: plain SGD, theta - lr g."""
    plain = {"lr": 0.1, "optimizer": "sgd", "momentum": 0.0, "precision": "fp32"}
    return RunConfig(algorithm=algorithm, **(plain | fields))


def made(net: Network, config: RunConfig, sources: int = SOURCES) -> Algorithm:
    """The algorithm of a configuration."""
    names = ("a", "b", "c", "d")[:sources]
    return build_algorithm(net, config, Facts(names, ("x", "y"), (9,) * sources, config.views_per_image))


def weights(net: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of a network's parameters."""
    return {name: parameter.detach().clone() for name, parameter in net.named_parameters()}


def assert_moved_by(before: dict[str, torch.Tensor], after: nn.Module, gradients: Any, lr: float = 0.1) -> None:
    """Whether every weight is where one step of plain SGD along `gradients` ends."""
    for (name, old), gradient in zip(before.items(), gradients, strict=True):
        torch.testing.assert_close(after.get_parameter(name).detach(), old - lr * gradient, rtol=1e-5, atol=1e-6)


def network(head: str = "linear") -> Network:
    torch.manual_seed(0)
    featurizer = nn.Sequential(nn.Flatten(), nn.Linear(12, DIM), nn.Tanh())
    classifier = nn.Linear(DIM, CLASSES)
    if head == "nonlinear":
        classifier = nn.Sequential(nn.Linear(DIM, 3), nn.ReLU(), nn.Linear(3, CLASSES))
    return Network(featurizer, classifier, feature_dim=DIM, num_classes=CLASSES, batch_norm="train")


def batch(labels: torch.Tensor | None = None) -> Minibatch:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(SOURCES, BATCH, 3, 2, 2, generator=generator)
    if labels is None:
        labels = torch.randint(0, CLASSES, (SOURCES, BATCH), generator=generator)
    return Minibatch(images, labels, np.zeros((SOURCES, BATCH), np.int64))


def adam_step(parameters: dict[str, torch.Tensor], gradients: dict[str, torch.Tensor], lr: float) -> dict:
    """Adam's first step in closed form: lr times g / (|g| + eps)."""
    return {name: p - lr * gradients[name] / (gradients[name].abs() + 1e-8) for name, p in parameters.items()}


def assert_first_step(before: nn.Module, after: nn.Module, loss: torch.Tensor, lr: float) -> None:
    names = [name for name, _ in before.named_parameters()]
    gradients = torch.autograd.grad(loss, list(before.parameters()), allow_unused=True)
    expected = adam_step(
        {name: p.detach() for name, p in before.named_parameters()},
        {n: torch.zeros(()) if g is None else g for n, g in zip(names, gradients, strict=True)},
        lr,
    )
    for name, parameter in after.named_parameters():
        # Entries whose gradient is rounding noise have no defined sign.
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-3, atol=lr * 1e-2, msg=name)
