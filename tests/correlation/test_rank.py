"""Rank correlations against scipy, regressions and a known distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from landscape.correlation.rank import estimate, partial_spearman, spearman


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def related(n: int, seed: int, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two variables and two others that both depend on."""
    z = rng(seed).normal(size=(2, n))
    x = z[0] - 0.5 * z[1] + rng(seed + 1).normal(size=n)
    y = 0.3 * x + z[0] ** 3 + rng(seed + 2).normal(size=n)
    return (np.round(x), np.round(y), np.round(z)) if ties else (x, y, z)


@given(n=st.integers(4, 60), seed=st.integers(0, 10**6), ties=st.booleans())
@settings(max_examples=40, deadline=None)
def test_rho_and_p_are_scipys(n: int, seed: int, ties: bool) -> None:
    x, y, _ = related(n, seed, ties=ties)
    if min(np.ptp(x), np.ptp(y)) == 0:
        return
    expected = stats.spearmanr(x, y)
    got = estimate(x, y, resamples=20, generator=rng())
    assert got.value == pytest.approx(expected.statistic, abs=1e-12)
    assert got.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert got.n == n


def residual(ranks: np.ndarray, given: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(len(ranks)), given.T])
    return ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]


@given(n=st.integers(8, 60), seed=st.integers(0, 10**6), ties=st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_partial_rho_is_that_of_regression_residuals(n: int, seed: int, ties: bool) -> None:
    x, y, z = related(n, seed, ties=ties)
    ranks_x, ranks_y, ranks_z = (stats.rankdata(v, axis=-1) for v in (x, y, z))
    left_x, left_y = residual(ranks_x, ranks_z), residual(ranks_y, ranks_z)
    if min(left_x.std(), left_y.std()) < 1e-6:
        return
    expected = np.corrcoef(left_x, left_y)[0, 1]
    assert float(partial_spearman(x, y, z)) == pytest.approx(expected, abs=1e-8)
    # p: the t test of x's coefficient in the regression of y on x and z has the same t.
    got = estimate(x, y, given=z, resamples=20, generator=rng())
    free = n - 4
    if abs(expected) > 1 - 1e-9:  # equal ranks: t is infinite
        assert got.p < 1e-12
        return
    t = expected * np.sqrt(free / (1 - expected**2))
    assert got.p == pytest.approx(2 * stats.t.sf(abs(t), free), rel=1e-5)


def test_a_common_cause_is_taken_out() -> None:
    cause = rng().normal(size=4000)
    x, y = cause + rng(1).normal(size=4000), cause + rng(2).normal(size=4000)
    assert float(spearman(x, y)) > 0.4
    assert abs(float(partial_spearman(x, y, cause[None]))) < 0.05


def test_a_constant_or_repeated_condition_changes_nothing() -> None:
    x, y, z = related(50, 3)
    one = float(partial_spearman(x, y, z[:1]))
    assert float(partial_spearman(x, y, np.stack([z[0], z[0], np.ones(50)]))) == pytest.approx(one, abs=1e-9)
    assert float(partial_spearman(x, y, np.ones((1, 50)))) == pytest.approx(float(spearman(x, y)), abs=1e-12)


def test_undefined_where_nothing_varies_or_nothing_is_left() -> None:
    x, y, _ = related(30, 4)
    assert np.isnan(spearman(x, np.full(30, 0.1)))
    assert np.isnan(partial_spearman(x, y, x[None]))
    constant = estimate(x, np.full(30, 0.1), resamples=50, generator=rng())
    assert np.isnan([constant.value, constant.low, constant.high, constant.p]).all()


def test_rows_of_a_batch_are_independent() -> None:
    many = [related(25, seed, ties=True) for seed in range(0, 40, 4)]
    x, y, z = (np.stack(each) for each in zip(*many, strict=True))
    np.testing.assert_allclose(spearman(x, y), [float(spearman(a, b)) for a, b, _ in many], atol=1e-12)
    np.testing.assert_allclose(partial_spearman(x, y, z), [float(partial_spearman(*each)) for each in many], atol=1e-12)


def test_the_interval_covers_as_often_as_it_says() -> None:
    # Spearman's rho of a bivariate normal is 6 / pi arcsin(r / 2).
    r, hits, trials = 0.5, 0, 120
    truth = 6 / np.pi * np.arcsin(r / 2)
    for seed in range(trials):
        x, e = rng(seed).normal(size=(2, 80))
        got = estimate(x, r * x + np.sqrt(1 - r**2) * e, resamples=400, generator=rng(seed + 1000))
        assert got.low < got.value < got.high
        hits += got.low <= truth <= got.high
    # 95 % of 120, give or take three binomial standard deviations and the bootstrap's own error.
    assert 104 <= hits <= 120


def test_a_perfect_order_has_an_interval_without_width() -> None:
    x = rng().normal(size=40)
    got = estimate(x, np.exp(x), resamples=100, generator=rng())
    assert (got.value, got.low, got.high) == (pytest.approx(1.0),) * 3
    assert got.p < 1e-30


def test_the_same_generator_gives_the_same_interval() -> None:
    x, y, z = related(60, 7)
    assert estimate(x, y, given=z, resamples=200, generator=rng(5)) == estimate(
        x, y, given=z, resamples=200, generator=rng(5)
    )
