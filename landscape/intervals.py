"""Numbers with their 95 % intervals: Student's t, the percentile and the BCa bootstrap, shares, differences."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import stats

from landscape.seeding import numpy_generator

LEVEL = 0.95
_LOW, _HIGH = (1 - LEVEL) / 2, (1 + LEVEL) / 2
# Numbers of a block of resamples.
_BUDGET = 2**22
_RESAMPLES = 9999


@dataclass(frozen=True)
class Interval:
    """A number and its 95 % interval.

    Attributes:
        value: the number.
        low: lower end of the interval; NaN where there is none.
        high: upper end.
        n: units that it is over.
        unit: what they are, such as ``seeds``.
        error: standard error of a mean, ``s / sqrt(n)`` with n - 1 in s; NaN where unknown. DomainBed divides by n in
            s, which for three trials is 1.22 times smaller.
        p: two-sided p-value of "no effect"; NaN where none was computed.
    """

    value: float
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    unit: str = ""
    error: float = np.nan
    p: float = np.nan

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray, unit: str = "seeds") -> "Interval":
        """The mean of some units' values with Student's t-interval, which one unit has not; NaN does not count."""
        array = np.asarray(values, dtype=np.float64)
        array = array[~np.isnan(array)]
        n = len(array)
        if n < 2:
            return cls(float(array[0]) if n else np.nan, n=n, unit=unit)
        value, error, reach = float(array.mean()), float(_error(array)), float(t_reach(array))
        return cls(value, value - reach, value + reach, n, unit, error)

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return bool(np.isfinite(self.low))

    @property
    def decided(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.known and not self.low <= 0 <= self.high


def t_reach(values: np.ndarray) -> np.ndarray:
    """(...) half of Student's t-interval of the mean over the last axis of (..., n) values; n from 2."""
    return np.asarray(stats.t.ppf(_HIGH, values.shape[-1] - 1) * _error(values))


def share_of(hits: int, n: int, *, method: Literal["wilson", "exact"]) -> Interval:
    """A share with its binomial interval, Wilson's or the exact one of Clopper and Pearson; NaN of nothing."""
    if n == 0:
        return Interval(np.nan)
    ends = stats.binomtest(hits, n).proportion_ci(LEVEL, method=method)
    return Interval(hits / n, float(ends.low), float(ends.high), n)


def variance_ratio(ratio: float, freedom: int, other: int) -> tuple[float, float]:
    """Ends of the interval of a ratio of two variances of normal values, with their degrees of freedom (F)."""
    low, high = (ratio / float(stats.f.ppf(q, freedom, other)) for q in (_HIGH, _LOW))
    return low, high


def bootstrap_mean(
    values: np.ndarray,
    generator: np.random.Generator,
    *,
    resamples: int = 2000,
    shares: bool = False,
    signed: bool = False,
) -> Interval:
    """Mean and percentile bootstrap interval over images.

    Where all values are equal, resampling says nothing, and where few differ, little. An interval of shares therefore
    reaches at least as far from the mean as the exact binomial one (Clopper and Pearson) after 0 of n, which is
    ``[0, 1 - 0.025^(1/n)]``; for differences of shares likewise on both sides. This binds where fewer than about
    five of the n images differ.

    Args:
        values: (n,) one value per image; for shares in [0, 1], for their paired differences in [-1, 1].
        generator: source of the resamples.
        resamples: their number.
        shares: the values are shares or differences of shares.
        signed: they are differences.
    """
    n = len(values)
    if n == 0:
        return Interval(np.nan)
    low, high = np.quantile(_means(values, generator, resamples), [_LOW, _HIGH])
    found = Interval(float(values.mean()), float(low), float(high), n, "images")
    return reaching(found, room(n), signed=signed) if shares else found


def bootstrap_difference(
    values: np.ndarray,
    others: np.ndarray,
    generator: np.random.Generator,
    *,
    resamples: int = 2000,
    shares: bool = False,
) -> Interval:
    """Difference of the means of two independent samples and its percentile bootstrap interval.

    Of shares, it reaches at least as far as both samples' exact intervals after 0 of n together.

    Args:
        values: (n,) one value per image of the first sample.
        others: (m,) of the second.
        generator: source of the resamples.
        resamples: their number.
        shares: the values are shares.
    """
    count = len(values) + len(others)
    if len(values) == 0 or len(others) == 0:
        return Interval(np.nan, n=count)
    means = _means(values, generator, resamples) - _means(others, generator, resamples)
    low, high = np.quantile(means, [_LOW, _HIGH])
    found = Interval(float(values.mean() - others.mean()), float(low), float(high), count, "images")
    return reaching(found, room(len(values)) + room(len(others)), signed=True) if shares else found


def paired_difference(first: np.ndarray, second: np.ndarray, *, seed: int = 0) -> Interval:
    """How much more often the second model is right than the first, image by image.

    The percentile bootstrap over images describes these two trained models on more images of this kind, and says
    nothing of other training seeds.

    Args:
        first: (n,) bool, per image.
        second: (n,) bool, the same images in the same order.
        seed: of the resampling.
    """
    difference = second.astype(np.float64) - first.astype(np.float64)
    if np.ptp(difference) == 0:  # nothing to resample, and a mean of equal numbers may be off by rounding
        return Interval(float(difference[0]), float(difference[0]), float(difference[0]), len(difference), "images")
    return bootstrap_mean(difference, np.random.default_rng(seed), resamples=_RESAMPLES)


def bootstrap_rows(values: np.ndarray) -> np.ndarray:
    """(G, 2) percentile bootstrap interval of the mean of each row of (G, J) values; NaN where one is not finite.

    One set of resamples for all rows: the ends of neighbouring ones wobble together, and a table of hundreds of
    intervals is one matrix product.
    """
    low_high = np.repeat(values.mean(1)[:, None], 2, axis=1)
    finite = np.isfinite(values).all(1)
    low_high[~finite] = np.nan
    spread = finite & (np.ptp(np.where(np.isfinite(values), values, 0.0), axis=1) > 0)
    if spread.any():
        means = values[spread] @ _resamples(values.shape[1]).T
        # 0.025 itself, not (1 - 0.95) / 2, which is a little more: tables have these last digits.
        low_high[spread] = np.quantile(means, [0.025, 0.975], axis=1).T
    return low_high


def bca(
    statistic: Callable[..., np.ndarray], units: int, *, resamples: int, generator: np.random.Generator
) -> tuple[float, float]:
    """A bias-corrected and accelerated bootstrap interval of a statistic over exchangeable units.

    Args:
        statistic: from unit indices (..., units) to values (...); NaN where it is undefined.
        units: how many there are: pairs, or groups of pairs that stay together.
        resamples: bootstrap samples.
        generator: their source.

    Returns:
        Its ends; where BCa is undefined (a resample has no value, or all have one) those of the percentiles.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # scipy warns of a degenerate distribution, for which the percentiles below are the answer.
        warnings.simplefilter("ignore")
        found = stats.bootstrap(
            (np.arange(units),),
            statistic,
            vectorized=True,
            axis=-1,
            n_resamples=resamples,
            batch=max(1, 2**21 // units),
            confidence_level=LEVEL,
            method="BCa",
            rng=generator,
        )
    ends = np.array([found.confidence_interval.low, found.confidence_interval.high], dtype=float)
    if np.isnan(ends).any():
        known = found.bootstrap_distribution[~np.isnan(found.bootstrap_distribution)]
        if len(known) == 0:
            return np.nan, np.nan
        ends = np.quantile(known, [_LOW, _HIGH])
    return float(ends[0]), float(ends[1])


def reaching(found: Interval, least: float, *, signed: bool) -> Interval:
    """The interval, made to reach `least` to either side as far as shares, or their differences, can be."""
    low = max(min(found.low, found.value - least), -1.0 if signed else 0.0)
    return replace(found, low=low, high=min(max(found.high, found.value + least), 1.0))


def room(n: int) -> float:
    """The largest probability that n trials without a single success do not refute."""
    return float(1 - _LOW ** (1 / n))


def _error(values: np.ndarray) -> np.ndarray:
    """(...) standard error of the mean over the last axis."""
    return np.asarray(values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1]))


def _means(values: np.ndarray, generator: np.random.Generator, resamples: int) -> np.ndarray:
    """The means that :func:`scipy.stats.bootstrap` draws, too, in a third less time at 510 images.

    In blocks of bounded memory also for a difference: scipy would draw the two samples of a block in turns, which
    gives other numbers for every size of a block.
    """
    n = len(values)
    size = max(1, _BUDGET // n)
    parts = [
        values[generator.integers(0, n, (min(size, resamples - start), n))].mean(1)
        for start in range(0, resamples, size)
    ]
    return np.concatenate(parts)


@lru_cache(maxsize=4)
def _resamples(count: int) -> np.ndarray:
    """(R, J) share of each of J samples in each resample: a table of hundreds of intervals draws them once."""
    drawn = numpy_generator(0, "evaluation", "bootstrap").integers(0, count, (_RESAMPLES, count))
    drawn += count * np.arange(_RESAMPLES)[:, None]
    return np.bincount(drawn.ravel(), minlength=_RESAMPLES * count).reshape(_RESAMPLES, count) / count
