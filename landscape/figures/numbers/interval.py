"""What few numbers say about a mean: which unit its interval is over, and the signed-rank test."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from landscape.intervals import Interval as Mean


def over_cells(values: np.ndarray) -> Mean:
    """The mean of a (targets, seeds) table of numbers, with the interval that the cells can carry.

    With several seeds the seed is the unit: targets are averaged first. With one seed but several targets the
    targets are, which says nothing of other seeds.

    Args:
        values: (targets, seeds); without gaps.
    """
    if values.shape[1] > 1:
        return Mean.of(values.mean(axis=0), "seeds")
    return Mean.of(values[:, 0], "targets" if len(values) > 1 else "seeds")


def signed_rank(differences: Sequence[float] | np.ndarray) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test, exact also with ties: all sign patterns are gone through.

    Zeros are left out. With n differences p cannot fall below ``2 / 2^n``, with four not below .125.

    Args:
        differences: of independent units; NaN for fewer than two that are not 0.
    """
    array = np.asarray(differences, dtype=np.float64)
    array = array[array != 0]
    if len(array) < 2 or np.isnan(array).any():
        return np.nan
    ranks = stats.rankdata(np.abs(array))
    signs = 1 - 2 * ((np.arange(2 ** len(array))[:, None] >> np.arange(len(array))) & 1)
    sums = np.abs(signs @ ranks)
    return float(np.mean(sums >= abs(np.sign(array) @ ranks) - 1e-9))


def smallest_p(n: int) -> float:
    """The smallest p-value that the signed-rank test can reach with n units."""
    return 2.0 ** (1 - n)
