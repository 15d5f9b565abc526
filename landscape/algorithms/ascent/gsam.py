"""GSAM: SAM's gradient, less what of the gradient at the weights lies at right angles to it."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.ascent.sam import climb, moved
from landscape.algorithms.composed import Composed, Metrics
from landscape.algorithms.optimizers import share_of_rate
from landscape.algorithms.rows.ascent import GSAMOptions
from landscape.errors import InputError

_EPSILON = 1e-12


def build(setup: Setup) -> Composed:
    """Surrogate gap minimisation (Zhuang et al. 2022, "Surrogate Gap Minimization Improves Sharpness-Aware Training").

    Raises:
        InputError: two radii for a constant learning rate: the radius falls as the rate does.
    """
    options, config = cast(GSAMOptions, setup.config.options), setup.config
    if config.schedule == "constant" and options.rho_min != options.rho:
        raise InputError(
            f"--options.rho-min is {options.rho_min}, but the learning rate is constant, and so is the radius; "
            f"give {options.rho}, the value of --options.rho, or --schedule cosine."
        )

    def ascent(network: nn.Module, gradients: Callable[[], Metrics], step: int) -> Metrics:
        metrics = gradients()
        trained = [parameter for parameter in network.parameters() if parameter.grad is not None]
        here = [cast(Tensor, parameter.grad) for parameter in trained]
        rho = options.rho_min + (options.rho - options.rho_min) * share_of_rate(config, step)
        with torch.no_grad():
            moves = climb(trained, rho=rho)
        with moved(network, trained, moves):
            sharp = gradients()
        above = [cast(Tensor, parameter.grad) for parameter in trained]
        for parameter, gradient in zip(trained, decomposed(here, above, alpha=options.alpha), strict=True):
            parameter.grad = gradient
        return {**metrics, "loss_ascended": sharp["loss"], "surrogate_gap": sharp["loss"] - metrics["loss"]}

    return Composed(setup, ascent=ascent)


def decomposed(here: list[Tensor], above: list[Tensor], *, alpha: float) -> list[Tensor]:
    """The gradient that lowers the loss above, and the gap to it: ``h - alpha (g - <g, h> / |h|^2 h)``.

    Args:
        here: g at the weights, tensor by tensor.
        above: h at the moved weights.
        alpha: weight of g's part at right angles to h.
    """
    squared = torch.stack([h.double().square().sum() for h in above]).sum()
    product = torch.stack([(g.double() * h.double()).sum() for g, h in zip(here, above, strict=True)]).sum()
    # A zero h has no direction: all of g is at right angles to it.
    along = torch.where(squared > _EPSILON**2, product / squared, torch.zeros_like(product)).float()
    return [h - alpha * (g - along * h) for g, h in zip(here, above, strict=True)]
