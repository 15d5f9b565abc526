"""A mean over images with its bootstrap interval."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
# Numbers of a block of resamples.
_BUDGET = 2**22


@dataclass(frozen=True)
class Estimate:
    """One number of a table.

    Attributes:
        measure: what is measured, with its unit in :data:`~landscape.embedding.embedding.MEASURES`.
        query: whose codes are asked about.
        pool: what they are compared with.
        dimension: coordinates of the space it is measured in.
        value: the mean over images.
        low: lower end of the interval over images.
        high: its upper end.
        n: images.
        reference: what the value would be without any structure, where that is known; else NaN.
    """

    measure: str
    query: str
    pool: str
    dimension: int
    value: float
    low: float
    high: float
    n: int
    reference: float = float("nan")


def to_table(estimates: Iterable[Estimate]) -> "pd.DataFrame":
    """One row an estimate."""
    import pandas as pd

    return pd.DataFrame([asdict(estimate) for estimate in estimates], columns=list(Estimate.__dataclass_fields__))


def mean_interval(
    values: np.ndarray,
    generator: np.random.Generator,
    *,
    resamples: int = 2000,
    share: bool = False,
    signed: bool = False,
) -> tuple[float, float, float]:
    """Mean and 95 % percentile bootstrap interval, resampling images: (value, low, high).

    Where all values are equal, resampling says nothing. For shares the interval is then the exact binomial one
    (Clopper and Pearson): after 0 of n, ``[0, 1 - 0.025^(1/n)]``; for differences of shares it is taken on both
    sides.

    Args:
        values: (n,) one value per image; for shares in [0, 1], for their paired differences in [-1, 1].
        generator: source of the resamples.
        resamples: their number.
        share: the values are shares or differences of shares.
        signed: they are differences.
    """
    if len(values) == 0:
        return float("nan"), float("nan"), float("nan")
    value = float(values.mean())
    if share and np.ptp(values) == 0:
        room = _room(len(values))
        return value, max(value - room, -1.0 if signed else 0.0), min(value + room, 1.0)
    low, high = np.quantile(_means(values, generator, resamples), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value, float(low), float(high)


def difference_interval(
    values: np.ndarray,
    others: np.ndarray,
    generator: np.random.Generator,
    *,
    resamples: int = 2000,
    share: bool = False,
) -> tuple[float, float, float]:
    """Difference of the means of two independent samples and its 95 % percentile bootstrap interval."""
    if len(values) == 0 or len(others) == 0:
        return float("nan"), float("nan"), float("nan")
    value = float(values.mean() - others.mean())
    if share and np.ptp(values) == 0 and np.ptp(others) == 0:
        room = _room(len(values)) + _room(len(others))
        return value, value - room, value + room
    means = _means(values, generator, resamples) - _means(others, generator, resamples)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value, float(low), float(high)


def _room(n: int) -> float:
    """The largest probability that n trials without a single success do not refute."""
    return float(1 - ((1 - LEVEL) / 2) ** (1 / n))


def _means(values: np.ndarray, generator: np.random.Generator, resamples: int) -> np.ndarray:
    n = len(values)
    size = max(1, _BUDGET // n)
    parts = [
        values[generator.integers(0, n, (min(size, resamples - start), n))].mean(1)
        for start in range(0, resamples, size)
    ]
    return np.concatenate(parts)
