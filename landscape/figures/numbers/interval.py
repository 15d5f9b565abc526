"""What few numbers say about a mean: standard error, t-interval, signed-rank test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over n units with its standard error and 95 % t-interval; one unit has neither.

    Attributes:
        value: the mean.
        error: standard error of the mean, ``s / sqrt(n)`` with n - 1 in s; NaN for n = 1. DomainBed divides by n
            in s, which for three trials is 1.22 times smaller.
        low: lower end of the interval; NaN for n = 1.
        high: upper end.
        n: units.
        unit: what they are, such as ``seeds``.
    """

    value: float
    error: float
    low: float
    high: float
    n: int
    unit: str = "seeds"

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray, unit: str = "seeds") -> "Mean":
        """Of some units' values; missing ones (NaN) do not count."""
        array = np.asarray(values, dtype=np.float64)
        array = array[~np.isnan(array)]
        n = len(array)
        if n < 2:
            return cls(float(array[0]) if n else np.nan, np.nan, np.nan, np.nan, n, unit)
        value, error = float(array.mean()), float(array.std(ddof=1) / np.sqrt(n))
        reach = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
        return cls(value, error, value - reach, value + reach, n, unit)

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return bool(np.isfinite(self.low))

    @property
    def decided(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.known and not self.low <= 0 <= self.high


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
