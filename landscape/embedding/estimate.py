"""A mean over images with its bootstrap interval."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
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

    Where all values are equal, resampling says nothing, and where few differ, little. An interval of shares therefore
    reaches at least as far from the mean as the exact binomial one (Clopper and Pearson) after 0 of n, which is
    ``[0, 1 - 0.025^(1/n)]``; for differences of shares likewise on both sides. This binds where fewer than about
    five of the n images differ.

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
    low, high = np.quantile(_means(values, generator, resamples), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if share:
        low, high = _reaching(value, low, high, _room(len(values)), signed)
    return value, float(low), float(high)


def difference_interval(
    values: np.ndarray,
    others: np.ndarray,
    generator: np.random.Generator,
    *,
    resamples: int = 2000,
    share: bool = False,
) -> tuple[float, float, float]:
    """Difference of the means of two independent samples and its 95 % percentile bootstrap interval.

    Of shares, it reaches at least as far as both samples' exact intervals after 0 of n together.
    """
    if len(values) == 0 or len(others) == 0:
        return float("nan"), float("nan"), float("nan")
    value = float(values.mean() - others.mean())
    means = _means(values, generator, resamples) - _means(others, generator, resamples)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if share:
        low, high = _reaching(value, low, high, _room(len(values)) + _room(len(others)), signed=True)
    return value, float(low), float(high)


def at_least_exact(estimates: Iterable[Estimate]) -> tuple[Estimate, ...]:
    """The same estimates, those of hull shares with intervals no narrower than :func:`mean_interval` now gives.

    For stored results: where few images differ, older ones hold a bootstrap interval that is narrower than where none
    does. It needs values and counts only, and leaves a result that has such intervals as it is.
    """
    rows = tuple(estimates)
    counts = {(row.measure, row.query, row.pool, row.dimension): row.n for row in rows}
    return tuple(_widened(row, counts) if row.measure == "inside" and row.n else row for row in rows)


def _widened(row: Estimate, counts: dict[tuple[str, str, str, int], int]) -> Estimate:
    # Of a difference between queries, each sample has its own count.
    parts = [counts.get((row.measure, query, row.pool, row.dimension), row.n) for query in row.query.split(" - ")]
    signed = len(parts) > 1 or " - " in row.pool
    low, high = _reaching(row.value, row.low, row.high, sum(map(_room, parts)), signed)
    return replace(row, low=low, high=high)


def _reaching(value: float, low: float, high: float, room: float, signed: bool) -> tuple[float, float]:
    """The interval, made to reach `room` to either side as far as shares, or their differences, can be."""
    return max(min(low, value - room), -1.0 if signed else 0.0), min(max(high, value + room), 1.0)


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
