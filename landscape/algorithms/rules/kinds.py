"""The two kinds of gradient rules: in the span of the domains' gradients, and coordinate by coordinate."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Gradients = list[list[Tensor | None]]
"""``gradients[domain][parameter]``; None where a domain's loss does not depend on a parameter."""


@dataclass(frozen=True)
class GramRule:
    """A rule whose result is a sum ``sum_d a_d g_d``, with coefficients that depend on the inner products alone.

    The gradients are read twice, whatever the rule: once for their Gram matrix G = J J^T (in float64, tensor by
    tensor), and once for the sum.

    Attributes:
        coefficients: (n, n) float64 Gram matrix and a generator to (n,) coefficients a.
    """

    coefficients: Callable[[np.ndarray, np.random.Generator], np.ndarray]

    def __call__(
        self, gradients: Gradients, generator: np.random.Generator
    ) -> tuple[list[Tensor | None], dict[str, Tensor]]:
        """The combined gradient of every parameter, and how the domains' gradients lie to each other."""
        device = next(t.device for domain in gradients for t in domain if t is not None)
        products = gram(gradients)
        weights = self.coefficients(products, generator).tolist()
        combined: list[Tensor | None] = []
        for per_domain in zip(*gradients, strict=True):
            parts = [(weight, t) for weight, t in zip(weights, per_domain, strict=True) if t is not None]
            total: Tensor | None = None
            for weight, tensor in parts:
                total = tensor * weight if total is None else total.add_(tensor, alpha=weight)
            combined.append(total)
        return combined, {name: torch.tensor(value, device=device) for name, value in agreement(products).items()}


@dataclass(frozen=True)
class CoordinateRule:
    """A rule that looks at each coordinate of the gradient by itself; streamed, one tensor of the network at a time.

    Attributes:
        combine: gradients (n, *shape) of one tensor and a generator to its combined gradient (*shape).
    """

    combine: Callable[[Tensor, np.random.Generator], Tensor]

    def __call__(
        self, gradients: Gradients, generator: np.random.Generator
    ) -> tuple[list[Tensor | None], dict[str, Tensor]]:
        """The combined gradient of every parameter; nothing to log."""
        combined: list[Tensor | None] = []
        for per_domain in zip(*gradients, strict=True):
            known = next((t for t in per_domain if t is not None), None)
            if known is None:
                combined.append(None)
                continue
            stacked = torch.stack([torch.zeros_like(known) if t is None else t for t in per_domain])
            combined.append(self.combine(stacked, generator))
        return combined, {}


def gram(gradients: Gradients) -> np.ndarray:
    """Inner products of the domains' gradients.

    Args:
        gradients: by domain and parameter.

    Returns:
        (n, n) float64. Sums over millions of products are off by percents in float32.

    >>> gram([[torch.tensor([1.0, 0.0])], [torch.tensor([3.0, 4.0])]])
    array([[ 1.,  3.],
           [ 3., 25.]])
    """
    count = len(gradients)
    total = torch.zeros(count, count, dtype=torch.float64)
    for per_domain in zip(*gradients, strict=True):
        known = [(d, t.double().flatten()) for d, t in enumerate(per_domain) if t is not None]
        for i, (d, first) in enumerate(known):
            for e, second in known[i:]:
                total[d, e] += (first @ second).cpu()
    return (total + total.T - torch.diag(total.diagonal())).numpy()


def agreement(products: np.ndarray) -> dict[str, float]:
    """How the gradients of n domains lie to each other.

    Args:
        products: (n, n) Gram matrix.

    Returns:
        ``cosine``: the mean over pairs, and ``conflicts``: the share of pairs with a negative inner product; nothing of
        one domain.

    >>> agreement(np.array([[1.0, -0.5], [-0.5, 1.0]]))
    {'cosine': -0.5, 'conflicts': 1.0}
    """
    if len(products) < 2:
        return {}
    norms = np.sqrt(np.diag(products))
    above = np.triu_indices(len(products), 1)
    lengths = np.outer(norms, norms)[above]
    cosines = np.divide(products[above], lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return {"cosine": float(cosines.mean()), "conflicts": float((products[above] < 0).mean())}
