"""Named tensors as one vector of weight space.

Weights are a plain mapping from parameter name to tensor, in the order of ``named_parameters()``.
Buffers are no coordinates: directions and planes live in the space of parameters only.

Dot products are accumulated in float64 (a float32 sum over 25 million products is off by percents).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from landscape.errors import InputError

Weights = Mapping[str, Tensor]


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A detached copy of the model's parameters, contiguous, on the CPU.

    >>> [(name, tuple(tensor.shape)) for name, tensor in weights_of(nn.Linear(2, 3)).items()]
    [('weight', (3, 2)), ('bias', (3,))]
    """
    return {name: parameter.detach().to("cpu", copy=True).contiguous() for name, parameter in model.named_parameters()}


def size(weights: Weights) -> int:
    """Number of coordinates.

    >>> size({"weight": torch.zeros(3, 2), "bias": torch.zeros(3)})
    9
    """
    return sum(tensor.numel() for tensor in weights.values())


def dot(a: Weights, b: Weights) -> float:
    """Inner product, accumulated in float64.

    >>> dot({"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 4.0])})
    11.0

    Args:
        a: one vector; it gives the names.
        b: another, with at least these names.
    """

    def part(name: str) -> float:
        x = a[name].double().reshape(-1)
        return float(torch.dot(x, x if b is a else b[name].double().reshape(-1)))

    return math.fsum(part(name) for name in a)


def norm(a: Weights) -> float:
    """Euclidean norm, accumulated in float64.

    >>> norm({"w": torch.tensor([3.0]), "b": torch.tensor([4.0])})
    5.0
    """
    return math.sqrt(dot(a, a))


class Combination(Mapping[str, Tensor]):
    """``sum_k c_k * w_k`` in float64, each tensor computed when it is asked for: no copy of the vector is held.

    The `w_k` are read again each time, so they may not change meanwhile.

    >>> a, b = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([10.0, 20.0])}
    >>> Combination((2.0, a), (-1.0, b))["w"]
    tensor([ -8., -16.], dtype=torch.float64)

    Args:
        terms: pairs of coefficient and vector; the first vector gives the names and their order.
    """

    def __init__(self, *terms: tuple[float, Weights]) -> None:
        self._terms = terms

    def __getitem__(self, name: str) -> Tensor:
        total = self._owned(*self._terms[0], name)
        for coefficient, vector in self._terms[1:]:
            term = vector[name].detach().double() if coefficient == -1.0 else self._owned(coefficient, vector, name)
            if term.shape != total.shape:  # adding would broadcast it
                raise ValueError(f"shapes of {name!r} differ: {tuple(total.shape)} and {tuple(term.shape)}")
            total.sub_(term) if coefficient == -1.0 else total.add_(term)
        return total

    def __contains__(self, name: object) -> bool:
        return name in self._terms[0][1]  # without computing it

    @staticmethod
    def _owned(coefficient: float, vector: Weights, name: str) -> Tensor:
        """One term, in memory that nobody else has; a product by itself, so that rounding does not depend on fusing."""
        tensor = vector[name].detach()
        shared = tensor.dtype == torch.float64 and not isinstance(vector, Combination)
        exact = tensor.clone() if shared else tensor.double()
        return exact if coefficient == 1.0 else exact.mul_(coefficient)

    def __iter__(self) -> Iterator[str]:
        return iter(self._terms[0][1])

    def __len__(self) -> int:
        return len(self._terms[0][1])


def combine(*terms: tuple[float, Weights], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """``sum_k c_k * w_k``, computed in float64 and returned in `dtype`.

    >>> a, b = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([10.0, 20.0])}
    >>> combine((0.5, a), (1.0, b), dtype=torch.float32)
    {'w': tensor([10.5000, 21.0000])}

    Args:
        terms: pairs of coefficient and vector; the first vector gives the names and their order.
        dtype: of the result.
    """
    return {name: tensor.to(dtype) for name, tensor in Combination(*terms).items()}


def subtract(a: Weights, b: Weights) -> dict[str, Tensor]:
    """``a - b`` in float64.

    >>> subtract({"w": torch.tensor([3.0])}, {"w": torch.tensor([1.0])})
    {'w': tensor([2.], dtype=torch.float64)}
    """
    return combine((1.0, a), (-1.0, b))


def load_weights(model: nn.Module, weights: Weights) -> None:
    """Write `weights` into the model's parameters in place, each in the parameter's own dtype and memory layout.

    >>> model = nn.Linear(2, 1, bias=False)
    >>> load_weights(model, {"weight": torch.tensor([[3.0, 4.0]])})
    >>> model.weight.tolist()
    [[3.0, 4.0]]

    Args:
        model: any module.
        weights: a tensor for each of its parameters, by name; others are left aside.

    Raises:
        InputError: a tensor is missing or has another shape than the parameter.
    """
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


@dataclass(frozen=True)
class Lent:
    """What :func:`borrowed` keeps of a module.

    Attributes:
        weights: a copy of its parameters as they came, on their device; empty where values are not kept.
        put_back: writes parameters and buffers back as they came, for use within the block.
    """

    weights: Weights
    put_back: Callable[[], None]


@contextmanager
def borrowed(model: nn.Module, *, values: bool = True) -> Iterator[Lent]:
    """Lend a module out in evaluation mode and take it back as it was, however the block ends.

    As they were are: weights and buffers, in their own memory layout, what requires a gradient, and the mode of every
    part.

    >>> model = nn.Linear(2, 1)
    >>> with borrowed(model):
    ...     _ = model.requires_grad_(False).weight.fill_(7.0)
    >>> model.training, model.weight.requires_grad, bool((model.weight == 7).any())
    (True, True, False)

    Args:
        model: any module; a parameter that several parts share is one.
        values: keep a copy of weights and buffers, too; a block that writes none of them needs no copy.

    Yields:
        The copy of the weights, and a function that puts weights and buffers back within the block.
    """
    parts = [(part, part.training, dict(part._buffers)) for part in model.modules()]
    trained = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    kept = [(each, each.data, each.detach().clone()) for each in (*model.parameters(), *model.buffers()) if values]
    weights = {name: own for (name, _), (_, _, own) in zip(model.named_parameters(), kept, strict=False)}

    @torch.no_grad()
    def put_back() -> None:
        for part, _, buffers in parts:
            part._buffers.update(buffers)  # a forward pass may have put another tensor in a buffer's place
        for tensor, memory, own in kept:
            tensor.data = memory  # or moved it into another layout
            tensor.copy_(own)

    try:
        model.eval()
        yield Lent(weights, put_back)
    finally:
        put_back()
        model.train(parts[0][1])  # a module of the user's may do more than set flags
        for part, training, _ in parts:
            part.training = training
        for parameter, flag in trained:
            parameter.requires_grad_(flag)
