"""Random unit directions in the space of a network's parameters, made when they are needed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from landscape.seeding import torch_generator
from landscape.weights import Weights


@dataclass(frozen=True)
class Direction:
    """A direction u, uniform on the unit sphere: ``u = scale * parts``.

    Buffers, such as running statistics of batch norm, are no coordinates.

    Attributes:
        parts: standard normal numbers in the shape of each parameter, float32.
        scale: one over their joint Euclidean norm, which is computed in float64.
    """

    parts: Mapping[str, Tensor]
    scale: float

    @classmethod
    def draw(cls, like: Weights, k: int, *, seed: int = 0) -> "Direction":
        """Direction number `k`.

        It depends on the seed, on k, and on the shapes of the parameters, so that all methods with one architecture
        share it, in whatever order and on whatever device they are measured.

        Args:
            like: parameters by name; only their shapes and their device are used.
            k: number of the direction.
            seed: trial seed of the analysis.
        """
        generator = torch_generator(seed, "evaluation", "direction", k)
        drawn = {name: torch.randn(tensor.shape, generator=generator) for name, tensor in like.items()}
        squares = math.fsum(float(part.double().square().sum()) for part in drawn.values())
        parts = {name: part.to(like[name].device) for name, part in drawn.items()}
        return cls(parts, 1.0 / math.sqrt(squares))

    def step(self, weights: Weights, gamma: float, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """The point ``theta + gamma u``, added in float64 tensor by tensor and rounded to `dtype`."""
        return {name: self._moved(tensor, name, gamma).to(dtype) for name, tensor in weights.items()}

    def write(self, weights: Weights, gamma: float, into: Weights) -> None:
        """Write ``theta + gamma u`` into the tensors `into`, each in its own dtype."""
        for name, tensor in into.items():
            tensor.copy_(self._moved(weights[name], name, gamma))

    def _moved(self, tensor: Tensor, name: str, gamma: float) -> Tensor:
        return torch.add(_exact(tensor), _exact(self.parts[name]), alpha=gamma * self.scale)


def _exact(tensor: Tensor) -> Tensor:
    # Apple's GPUs have no float64.
    return tensor.float() if tensor.device.type == "mps" else tensor.double()
