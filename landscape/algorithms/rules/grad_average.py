"""The mean of the gradients of K augmented views, or of the domains."""

import numpy as np

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed
from landscape.algorithms.rules.kinds import GramRule


def build(setup: Setup) -> Composed:
    """Gradient averaging, the control of the Domain Gradient Equilibrium paper (Table 8).

    With frozen batch norm it is ERM on the pooled views; what it adds is that the views' gradients are known, and
    how they lie to each other is logged.
    """

    def coefficients(gram: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return np.full(len(gram), 1 / len(gram))

    return Composed(setup, rule=GramRule(coefficients))
