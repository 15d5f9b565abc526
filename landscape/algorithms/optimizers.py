"""Optimizers of a run: Adam or SGD with L2 inside, and the learning rate at a step."""

import math
from collections.abc import Sequence

from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer

from landscape.config import RunConfig


def adam(parameters: Sequence[Parameter], lr: float, weight_decay: float = 0.0) -> Adam:
    """Adam with L2 inside (coupled), as DomainBed uses it; the fused kernel where the device has one."""
    return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=_is_fused(parameters))


def optimizer_of(config: RunConfig, parameters: Sequence[Parameter]) -> Optimizer:
    """The run's optimizer. Its L2 term is added to the gradient that it is given: after any gradient rule."""
    if config.optimizer == "adam":
        return adam(parameters, config.lr, config.weight_decay)
    return SGD(
        parameters,
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=_is_fused(parameters),
    )


def schedule(optimizer: Optimizer, config: RunConfig, step: int) -> None:
    """Set the learning rate of a step; it depends on the step alone, so that there is nothing to resume."""
    if config.schedule == "cosine":
        for group in optimizer.param_groups:
            group["lr"] = config.lr * share_of_rate(config, step)


def share_of_rate(config: RunConfig, step: int) -> float:
    """The learning rate of a step as a share of the first one."""
    return (1 + math.cos(math.pi * (step - 1) / config.steps)) / 2 if config.schedule == "cosine" else 1.0


def _is_fused(parameters: Sequence[Parameter]) -> bool:
    return parameters[0].device.type in ("cpu", "cuda")
