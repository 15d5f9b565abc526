"""SAM and ASAM: the gradient is taken where the loss around the weights is about highest."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.modules.batchnorm import _BatchNorm

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed, Metrics
from landscape.algorithms.rows.ascent import SAMOptions


def build(setup: Setup) -> Composed:
    """Sharpness-aware minimisation (Foret et al. 2021, Algorithm 1; adaptive: Kwon et al. 2021)."""
    options = cast(SAMOptions, setup.config.options)

    def ascent(network: nn.Module, gradients: Callable[[], Metrics], step: int) -> Metrics:
        metrics = gradients()
        with torch.no_grad():
            trained = [parameter for parameter in network.parameters() if parameter.grad is not None]
            moves = climb(trained, rho=options.rho, adaptive=options.adaptive)
        with moved(network, trained, moves):
            sharp = gradients()
        return {**metrics, "loss_ascended": sharp["loss"]}

    return Composed(setup, ascent=ascent)


def climb(parameters: list[Parameter], *, rho: float, adaptive: bool = False) -> list[Tensor]:
    """Where the linearised loss is highest within rho: ``e = rho g / |g|``; nothing where the gradient is zero.

    Args:
        parameters: with their gradients g.
        rho: radius.
        adaptive: relative to the weights (ASAM): ``e = rho theta^2 g / |theta g|``.
    """
    gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
    scaled = [p.abs() * g for p, g in zip(parameters, gradients, strict=True)] if adaptive else gradients
    norm = torch.stack([each.norm(dtype=torch.float64) for each in scaled]).norm()
    factor = torch.where(norm > 0, rho / norm, torch.zeros_like(norm)).float()
    if adaptive:
        scaled = [p.abs() * each for p, each in zip(parameters, scaled, strict=True)]
    return [each * factor for each in scaled]


@contextmanager
def moved(network: nn.Module, parameters: list[Parameter], moves: list[Tensor]) -> Iterator[None]:
    """Weights moved by `moves` within the block. Batch norm's running statistics stay as they are meanwhile."""
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    counts = [(count, count.clone()) for count in (norm.num_batches_tracked for norm in norms) if count is not None]
    with torch.no_grad():
        kept = [parameter.clone(memory_format=torch.preserve_format) for parameter in parameters]
        for norm in norms:
            norm.momentum = 0.0
        for parameter, move in zip(parameters, moves, strict=True):
            parameter.add_(move)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, before in zip(parameters, kept, strict=True):
                parameter.copy_(before)
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
            for count, before in counts:
                count.copy_(before)
