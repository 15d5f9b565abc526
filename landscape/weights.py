"""Named tensors as one vector of weight space.

Weights are a plain mapping from parameter name to tensor, in the order of ``named_parameters()``.
Buffers are no coordinates: directions and planes live in the space of parameters only.

Dot products are accumulated in float64 (a float32 sum over 25 million products is off by percents).
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from landscape.errors import InputError

Weights = Mapping[str, Tensor]


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A detached copy of the model's parameters, contiguous, on the CPU."""
    return {name: parameter.detach().to("cpu", copy=True).contiguous() for name, parameter in model.named_parameters()}


def size(weights: Weights) -> int:
    """Number of coordinates."""
    return sum(tensor.numel() for tensor in weights.values())


def dot(a: Weights, b: Weights) -> float:
    """Inner product, accumulated in float64."""
    return math.fsum(float(torch.dot(a[name].double().reshape(-1), b[name].double().reshape(-1))) for name in a)


def norm(a: Weights) -> float:
    """Euclidean norm, accumulated in float64."""
    return math.sqrt(dot(a, a))


def combine(*terms: tuple[float, Weights], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """``sum_k c_k * w_k``, computed in float64 and returned in `dtype`."""
    return {
        name: torch.stack([coefficient * w[name].double() for coefficient, w in terms]).sum(0).to(dtype)
        for name in terms[0][1]
    }


def subtract(a: Weights, b: Weights) -> dict[str, Tensor]:
    """``a - b`` in float64."""
    return combine((1.0, a), (-1.0, b))


def load_weights(model: nn.Module, weights: Weights) -> None:
    """Write `weights` into the model's parameters in place, each in the parameter's own dtype and memory layout."""
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        # copy_ would broadcast a smaller tensor without a word.
        if name not in weights:
            raise InputError(f"no weights for {name!r}; expected a tensor for each of {len(parameters)} parameters.")
        if weights[name].shape != parameter.shape:
            raise InputError(
                f"the weights of {name!r} have shape {tuple(weights[name].shape)}; "
                f"this network expects {tuple(parameter.shape)}. Is it the same architecture?"
            )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])
