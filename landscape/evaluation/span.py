r"""Points of a plane or a line of weight space, written into a network without building them first.

A point is :math:`\theta_1 + x e_1 + y e_2`. Its row base :math:`\theta_1 + y e_2` is kept as long as `y` stays the
same, so a point of the same row costs one addition per weight. The three vectors are held once, in the
network's own precision, device and memory layout.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from landscape.errors import InputError

# Numbers written at a time: what the addition has written is still in the cache when it is scaled.
_CHUNK = 2**17


@dataclass(frozen=True, eq=False)
class Point:
    """The weights ``theta_1 + x e_1 + y e_2``, not written out.

    Attributes:
        span: origin and directions.
        x: first coordinate.
        y: second coordinate.
    """

    span: "Span"
    x: float
    y: float = 0.0


class Span:
    """Origin and one or two directions, laid out as a network's parameters are.

    Made by :meth:`landscape.evaluation.Evaluator.span`. Float32 networks get float32 vectors: the weights of a point
    then differ from their float64 values by a few units in the last place, which is what storing them costs
    anyway. Vectors of single channels (batch norm's, biases behind which it stands) stay in float64.

    Args:
        parameters: the network's parameters by name, whose dtype, device and layout are taken.
        exact: names that stay in float64.
        origin: ``theta_1`` by name.
        e1: first direction.
        e2: second direction; None for a line.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        exact: frozenset[str],
        origin: Mapping[str, Tensor],
        e1: Mapping[str, Tensor],
        e2: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._origin = _laid_out(parameters, exact, origin)
        self._e1 = _laid_out(parameters, exact, e1)
        self._e2 = _laid_out(parameters, exact, e2) if e2 is not None else None
        # On a line every point has the same row base, which is the origin itself.
        self._row = self._origin if self._e2 is None else {n: torch.empty_like(t) for n, t in self._origin.items()}
        self._y: float | None = None

    def point(self, x: float, y: float = 0.0) -> Point:
        """The point at ``(x, y)``, for :meth:`landscape.evaluation.Evaluator.at`."""
        return Point(self, float(x), float(y))

    @property
    def names(self) -> set[str]:
        """Names of the parameters."""
        return set(self._origin)

    def move_to_row(self, y: float) -> None:
        """Make ``theta_1 + y e_2`` the base of the points to come."""
        if self._e2 is None or y == self._y:
            return
        for name, row in self._row.items():
            torch.add(self._origin[name], self._e2[name], alpha=_factor(y, row), out=row)
        self._y = y

    def vector(self, name: str, x: float) -> Tensor:
        """One parameter at `x` in the present row, as a tensor of its own."""
        row = self._row[name]
        return torch.add(row, self._e1[name], alpha=_factor(x, row))

    def write(self, name: str, x: float, out: Tensor, scale: Tensor | None = None) -> None:
        """Write one parameter at `x` in the present row into `out`, each output channel times its `scale`."""
        row, e1 = self._row[name], self._e1[name]
        factor = _factor(x, row)
        if scale is None:
            torch.add(row, e1, alpha=factor, out=out)
            return
        scale = scale.to(out.dtype).reshape(-1, *[1] * (out.dim() - 1))
        for part in _channels(out):
            torch.add(row[part], e1[part], alpha=factor, out=out[part])
            out[part].mul_(scale[part])


def _factor(value: float, tensor: Tensor) -> float:
    """A coordinate that the tensor's type can hold: beyond its range infinite, and not an error."""
    return value if abs(value) <= torch.finfo(tensor.dtype).max else math.copysign(math.inf, value)


def _laid_out(
    parameters: Mapping[str, Tensor], exact: frozenset[str], vector: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """A copy of a vector of weight space in the parameters' dtypes and layouts."""
    copies = {}
    for name, like in parameters.items():
        dtype = torch.float64 if name in exact and like.device.type != "mps" else like.dtype
        tensor = vector[name].detach()  # read once: it may be computed when it is read
        check_shape(name, tensor, like.shape)
        copies[name] = torch.empty_like(like, dtype=dtype, requires_grad=False).copy_(tensor)
    return copies


def check_shape(name: str, tensor: Tensor, shape: torch.Size) -> None:
    """Refuse a tensor of another shape than the network's parameter of that name: copying would broadcast it."""
    if tensor.shape != shape:
        raise InputError(f"these weights have shape {tuple(tensor.shape)} for {name!r}; expected {tuple(shape)}.")


def _channels(tensor: Tensor) -> Iterator[slice]:
    """Blocks of output channels; on an accelerator one block, as a launch costs more than a pass over memory."""
    count = tensor.shape[0]
    per_channel = max(tensor.numel() // max(count, 1), 1)
    size = max(1, _CHUNK // per_channel) if tensor.device.type == "cpu" else count
    for start in range(0, count, size):
        yield slice(start, start + size)
