"""AND-Mask: only coordinates whose sign enough domains agree on are moved."""

from typing import cast

import numpy as np
from torch import Tensor

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed
from landscape.algorithms.rows.rules import ANDMaskOptions
from landscape.algorithms.rules.kinds import CoordinateRule

_EPSILON = 1e-10


def build(setup: Setup) -> Composed:
    """AND-Mask (Parascandolo et al. 2021, "Learning explanations that are hard to vary").

    L2 is added after the rule: the optimizer decays masked coordinates, too.
    """
    options = cast(ANDMaskOptions, setup.config.options)

    def combine(gradients: Tensor, generator: np.random.Generator) -> Tensor:
        return and_mask(gradients, options.tau, geometric=options.geometric)

    return Composed(setup, rule=CoordinateRule(combine))


def sign_agreement(gradients: Tensor) -> Tensor:
    """``|mean_d sign(g_d)|`` of gradients (n, *shape), at each coordinate; a zero agrees with no sign.

    >>> sign_agreement(Tensor([[1, 2, 0], [3, -1, 1]]))
    tensor([1.0000, 0.0000, 0.5000])
    """
    return gradients.sign().mean(0).abs()


def and_mask(gradients: Tensor, tau: float, *, geometric: bool = False) -> Tensor:
    """The masked mean ``m mean_d g_d``, divided by the share of ones in m = 1[|mean_d sign(g_d)| >= tau].

    Args:
        gradients: (n, *shape) of one tensor.
        tau: smallest agreement.
        geometric: ``sign(mean_d g_d) exp(mean_d log(|g_d| + 1e-10))`` in place of the mean.

    >>> and_mask(Tensor([[1, 2], [3, -1]]), 1.0)
    tensor([4., 0.])
    """
    mask = (sign_agreement(gradients) >= tau).to(gradients.dtype)
    mean = gradients.mean(0)
    if geometric:
        mean = mean.sign() * (gradients.abs() + _EPSILON).log().mean(0).exp()
    return mask * mean / (mask.mean() + _EPSILON)
