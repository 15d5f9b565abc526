"""A loss of the user's own, as a function of the module alone."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from landscape.errors import InputError

ModelLoss = Callable[[nn.Module], Any]
"""From a module to its loss: a number, a scalar tensor, or a mapping from names to several of them."""


def mean_loss(loss: Callable[[Any, Any], Tensor], loader: Iterable[Any]) -> ModelLoss:
    """The mean loss over a loader's pairs ``(inputs, targets)``, as a function of the module; sums in float64.

    Args:
        loss: from outputs and targets to the batch's mean (a scalar) or to a loss per example (B,).
        loader: iterated anew at every point, in a fixed order.
    """

    def of(model: nn.Module) -> float:
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        total, count = 0.0, 0
        for inputs, targets in loader:
            value = loss(model(inputs.to(device)), targets.to(device))
            n = len(targets)
            total += float(value.double().sum()) if value.dim() else float(value.double()) * n
            count += n
        if not count:
            raise InputError("the loader is empty (or can be iterated only once); expected batches at every pass.")
        return total / count

    return of
