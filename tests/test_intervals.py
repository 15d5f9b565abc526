"""Intervals against scipy's, closed forms and known distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from landscape.intervals import (
    Interval,
    bca,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_rows,
    paired_difference,
    share_of,
    t_reach,
    variance_ratio,
)
from landscape.seeding import numpy_generator

floats = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 2))


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def exact_room(n: int) -> float:
    return stats.binomtest(0, n).proportion_ci(method="exact").high


def numbers(found: Interval) -> tuple[float, float, float]:
    return found.value, found.low, found.high


@given(st.lists(floats, min_size=2, max_size=8).filter(lambda values: np.ptp(values) > 0))
def test_mean_error_and_interval_are_those_of_scipy(values: list[float]) -> None:
    mean = Interval.of(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert (mean.low, mean.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert mean.error == pytest.approx(stats.sem(values))
    assert mean.n == len(values)


def test_rows_have_the_interval_of_each() -> None:
    values = generator().normal(size=(3, 5))
    means = [Interval.of(row) for row in values]
    assert t_reach(values) == pytest.approx([mean.high - mean.value for mean in means])


def test_one_number_has_no_interval_and_gaps_do_not_count() -> None:
    one = Interval.of([3.0])
    assert (one.value, one.n, one.known, one.decided) == (3.0, 1, False, False)
    assert np.isnan(Interval.of([]).value)
    assert Interval.of([1.0, np.nan, 3.0]) == Interval.of([1.0, 3.0])


def test_our_standard_error_divides_by_n_minus_one() -> None:
    # DomainBed prints "20.0 +/- 4.7" for these: 1.22 times less.
    assert 100 * Interval.of([0.1, 0.2, 0.3]).error == pytest.approx(4.714 * np.sqrt(1.5), abs=1e-3)


def test_an_interval_without_0_is_decided() -> None:
    assert Interval(1.0, 0.1, 2.0).decided
    assert not Interval(1.0, 0.0, 2.0).decided
    assert Interval(-1.0, -2.0, -0.1).decided


def test_shares_are_wilsons_or_exact() -> None:
    wilson, exact = share_of(3, 8, method="wilson"), share_of(3, 8, method="exact")
    z, p, n = stats.norm.ppf(0.975), 3 / 8, 8
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert numbers(wilson) == pytest.approx((p, (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)))
    # Clopper and Pearson: what is seen has 2.5 % in the tail at either end.
    assert stats.binom.sf(2, n, exact.low) == pytest.approx(0.025)
    assert stats.binom.cdf(3, n, exact.high) == pytest.approx(0.025)
    assert np.isnan(numbers(share_of(0, 0, method="exact"))).all()


def test_a_ratio_of_variances_covers_as_often_as_it_says() -> None:
    rng, hits = generator(), 0
    for _ in range(600):
        one, other = rng.normal(0, 2, 6), rng.normal(0, 1, 9)
        low, high = variance_ratio(float(one.var(ddof=1) / other.var(ddof=1)), 5, 8)
        hits += low <= 4 <= high
    assert 552 <= hits <= 588  # 95 % of 600, give or take three binomial standard deviations


def test_the_interval_of_a_mean_is_about_normal() -> None:
    values = generator(1).exponential(size=400)
    found = bootstrap_mean(values, generator(), resamples=5000)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert [found.low, found.high] == pytest.approx([found.value - half, found.value + half], abs=0.02)
    assert found.n == 400


def test_the_interval_of_a_difference_adds_the_variances() -> None:
    rng = generator(2)
    one, other = rng.normal(3, 1, 300), rng.normal(1, 2, 200)
    found = bootstrap_difference(one, other, generator(), resamples=5000)
    half, difference = 1.96 * np.sqrt(one.var() / 300 + other.var() / 200), one.mean() - other.mean()
    assert numbers(found) == pytest.approx((difference, difference - half, difference + half), abs=0.03)
    assert found.n == 500


@given(n=st.integers(2, 400), seed=st.integers(0, 10**6))
def test_percentiles_are_scipys(n: int, seed: int) -> None:
    values, others = generator(seed).normal(size=(2, n))
    options = {"n_resamples": 300, "method": "percentile"}
    expected = stats.bootstrap((values,), np.mean, rng=generator(seed), **options).confidence_interval
    found = bootstrap_mean(values, generator(seed), resamples=300)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)

    def difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return a.mean(axis) - b.mean(axis)

    both = stats.bootstrap((values, others), difference, vectorized=True, rng=generator(seed), **options)
    found = bootstrap_difference(values, others, generator(seed), resamples=300)
    ends = both.confidence_interval
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=1e-12)


def test_rows_share_scipys_resamples() -> None:
    values = generator().normal(2.0, 3.0, (2, 30))
    for row, ends in zip(values, bootstrap_rows(values), strict=True):
        drawn = numpy_generator(0, "evaluation", "bootstrap")
        expected = stats.bootstrap((row,), np.mean, n_resamples=9999, method="percentile", rng=drawn)
        assert ends == pytest.approx(tuple(expected.confidence_interval), abs=1e-12)


def test_rows_that_do_not_vary_or_overflow() -> None:
    values = generator().normal(2.0, 3.0, (2, 200))
    interval = bootstrap_rows(np.vstack([np.zeros(200), values]))
    np.testing.assert_array_equal(interval[0], 0.0)
    # For means of many values the percentile bootstrap comes close to the normal interval.
    errors = values.std(1) / np.sqrt(200)
    np.testing.assert_allclose(interval[1:, 0], values.mean(1) - 1.96 * errors, atol=0.1 * errors.max())
    np.testing.assert_allclose(interval[1:, 1], values.mean(1) + 1.96 * errors, atol=0.1 * errors.max())
    np.testing.assert_array_equal(interval, bootstrap_rows(np.vstack([np.zeros(200), values])))
    assert np.isnan(bootstrap_rows(np.array([[1.0, np.inf, 2.0]]))).all()


def test_a_paired_difference_is_scipys() -> None:
    first, second = generator(0).random((2, 347)) < 0.7
    found = paired_difference(first, second, seed=3)
    change = second.astype(float) - first
    expected = stats.bootstrap((change,), np.mean, n_resamples=9999, method="percentile", rng=generator(3), batch=500)
    ends = expected.confidence_interval
    assert numbers(found) == pytest.approx((change.mean(), ends.low, ends.high), abs=1e-12)
    assert (found.n, found.unit) == (347, "images")
    assert numbers(paired_difference(first, first)) == (0.0, 0.0, 0.0)


def test_after_no_success_at_all_the_interval_is_the_exact_binomial_one() -> None:
    for values, k in ((np.zeros(30), 0), (np.ones(30), 30)):
        exact = stats.binomtest(k, 30).proportion_ci(method="exact")
        found = bootstrap_mean(values, generator(), shares=True)
        assert numbers(found) == pytest.approx((k / 30, exact.low, exact.high))
    # A difference of shares has two sides.
    found = bootstrap_mean(np.zeros(30), generator(), shares=True, signed=True)
    assert numbers(found) == pytest.approx((0, -exact_room(30), exact_room(30)))
    # A distance may well be known.
    assert numbers(bootstrap_mean(np.zeros(30), generator())) == (0, 0, 0)


@pytest.mark.parametrize("n", [30, 510])
def test_more_images_that_differ_never_narrow_the_interval(n: int) -> None:
    widths = []
    for k in range(8):
        values = np.zeros(n)
        values[:k] = -1.0
        found = bootstrap_mean(values, generator(), shares=True, signed=True)
        assert found.low <= -k / n - exact_room(n) + 1e-12 or found.low == -1
        widths.append(found.high - found.low)
    assert all(wide >= widths[0] - 1e-12 for wide in widths)
    one, other = np.zeros(n), np.zeros(n)
    one[0] = 1.0
    found = bootstrap_difference(one, other, generator(), shares=True)
    assert found.high - found.low == pytest.approx(4 * exact_room(n))


def test_with_many_images_that_differ_it_is_the_bootstrap_interval() -> None:
    values = np.repeat([0.0, 1.0], 200)
    assert bootstrap_mean(values, generator(), shares=True) == bootstrap_mean(values, generator())


def test_equal_values_and_no_values() -> None:
    assert np.isnan(numbers(bootstrap_mean(np.empty(0), generator()))).all()
    assert np.isnan(numbers(bootstrap_difference(np.empty(0), np.ones(3), generator()))).all()
    found = bootstrap_difference(np.zeros(9), np.zeros(9), generator(), shares=True)
    assert found.low == -found.high < 0


def test_the_bca_interval_of_a_mean_is_the_textbook_one() -> None:
    values = generator().normal(size=400)
    low, high = bca(lambda index, axis=-1: values[index].mean(-1), 400, resamples=4000, generator=generator(1))
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_where_bca_is_undefined_the_percentiles_are_the_answer() -> None:
    def constant(index: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.full(index.shape[:-1], 2.0)

    assert bca(constant, 9, resamples=50, generator=generator()) == (2.0, 2.0)

    def mostly(index: np.ndarray, axis: int = -1) -> np.ndarray:
        values = index.mean(-1).astype(float)
        return np.where(values > 5, np.nan, values)

    low, high = bca(mostly, 9, resamples=500, generator=generator())
    assert 0 < low < high <= 5
    nothing = bca(lambda index, axis=-1: constant(index) * np.nan, 9, resamples=50, generator=generator())
    assert np.isnan(nothing).all()
