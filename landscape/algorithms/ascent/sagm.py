"""SAGM: the mean of two gradients, at the weights and above them, which are made to agree."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.ascent.sam import climb, moved
from landscape.algorithms.composed import Composed, Metrics
from landscape.algorithms.rows.ascent import SAGMOptions


def build(setup: Setup) -> Composed:
    """Sharpness-aware gradient matching (Wang et al. 2023, "Sharpness-Aware Gradient Matching for Domain
    Generalization"): ``(g + h) / 2`` with h the gradient at ``theta + (rho / |g| - alpha) g``.
    """
    options = cast(SAGMOptions, setup.config.options)

    def ascent(network: nn.Module, gradients: Callable[[], Metrics], step: int) -> Metrics:
        metrics = gradients()
        trained = [parameter for parameter in network.parameters() if parameter.grad is not None]
        here = [cast(Tensor, parameter.grad) for parameter in trained]
        with torch.no_grad():
            climbs = climb(trained, rho=options.rho)
            moves = [up - options.alpha * g for up, g in zip(climbs, here, strict=True)]
        with moved(network, trained, moves):
            sharp = gradients()
        for parameter, g in zip(trained, here, strict=True):
            parameter.grad = (g + cast(Tensor, parameter.grad)) / 2
        return {**metrics, "loss_ascended": sharp["loss"]}

    return Composed(setup, ascent=ascent)
