"""PCGrad: of two domains' gradients that conflict, each loses its part along the other."""

from typing import cast

import numpy as np

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed
from landscape.algorithms.rows.rules import PCGradOptions
from landscape.algorithms.rules.kinds import GramRule


def build(setup: Setup) -> Composed:
    """PCGrad (Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", Algorithm 1), domains in place of tasks."""
    options = cast(PCGradOptions, setup.config.options)

    def coefficients(gram: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return pcgrad(gram, generator).sum(axis=0) / (len(gram) if options.total == "mean" else 1)

    return Composed(setup, rule=GramRule(coefficients))


def pcgrad(gram: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Projected gradients h_i as coefficients of the original ones.

    ``h_i <- g_i``; then for the other j in random order, where ``<h_i, g_j> < 0``:
    ``h_i <- h_i - <h_i, g_j> / |g_j|^2 g_j``, g_j always the original. Published code differs: in some the random order
    is discarded, or i itself is among the j.

    Args:
        gram: (n, n) inner products of the gradients g.
        generator: draws the orders.

    Returns:
        (n, n): row i holds h_i.

    >>> pcgrad(np.array([[1.0, -1.0], [-1.0, 4.0]]), np.random.default_rng(0))
    array([[1.  , 0.25],
           [1.  , 1.  ]])
    """
    count = len(gram)
    projected = np.eye(count)
    for i in range(count):
        for j in generator.permutation([j for j in range(count) if j != i]):
            product = gram[j] @ projected[i]
            if product < 0 and gram[j, j] > 0:
                projected[i, j] -= product / gram[j, j]
    return projected
