"""Intervals against their closed forms."""

import numpy as np
import pytest
from scipy import stats

from landscape.embedding.estimate import Estimate, difference_interval, mean_interval, to_table


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def exact_room(n: int) -> float:
    return stats.binomtest(0, n).proportion_ci(method="exact").high


def test_the_interval_of_a_mean_is_about_normal() -> None:
    values = np.random.default_rng(1).exponential(size=400)
    value, low, high = mean_interval(values, generator(), resamples=5000)
    room = 1.96 * values.std() / 20
    assert value == pytest.approx(values.mean())
    assert [low, high] == pytest.approx([value - room, value + room], abs=0.02)


def test_the_interval_of_a_difference_adds_the_variances() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(3, 1, 300), rng.normal(1, 2, 200)
    value, low, high = difference_interval(one, other, generator(), resamples=5000)
    room = 1.96 * np.sqrt(one.var() / 300 + other.var() / 200)
    assert [value, low, high] == pytest.approx([one.mean() - other.mean(), value - room, value + room], abs=0.03)


def test_after_no_success_at_all_the_interval_is_the_exact_binomial_one() -> None:
    for values, k in ((np.zeros(30), 0), (np.ones(30), 30)):
        exact = stats.binomtest(k, 30).proportion_ci(method="exact")
        assert mean_interval(values, generator(), share=True) == pytest.approx((k / 30, exact.low, exact.high))
    value, low, high = mean_interval(np.zeros(30), generator(), share=True, signed=True)
    assert (value, low, high) == pytest.approx(
        (0, -exact_room(30), exact_room(30))
    )  # a difference of shares has two sides
    value, low, high = mean_interval(np.zeros(30), generator())
    assert (value, low, high) == (0, 0, 0)  # a distance may well be known


def test_equal_values_and_no_values() -> None:
    assert np.isnan(mean_interval(np.empty(0), generator())).all()
    assert np.isnan(difference_interval(np.empty(0), np.ones(3), generator())).all()
    low, high = difference_interval(np.zeros(9), np.zeros(9), generator(), share=True)[1:]
    assert low == -high < 0


def test_a_table_has_a_row_an_estimate() -> None:
    table = to_table([Estimate("inside", "target", "sources", 2, 0.5, 0.4, 0.6, 10)])
    assert table.loc[0, ["measure", "value", "n"]].tolist() == ["inside", 0.5, 10]
    assert to_table([]).columns.tolist() == table.columns.tolist()
