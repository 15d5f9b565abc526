"""Intervals against their closed forms."""

import numpy as np
import pytest
from scipy import stats

from landscape.embedding.estimate import Estimate, at_least_exact, difference_interval, mean_interval, to_table


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


@pytest.mark.parametrize("n", [30, 510])
def test_more_images_that_differ_never_narrow_the_interval(n: int) -> None:
    widths = []
    for k in range(8):
        values = np.zeros(n)
        values[:k] = -1.0
        _, low, high = mean_interval(values, generator(), share=True, signed=True)
        assert low <= -k / n - exact_room(n) + 1e-12 or low == -1
        widths.append(high - low)
    assert all(wide >= widths[0] - 1e-12 for wide in widths)
    one, other = np.zeros(n), np.zeros(n)
    one[0] = 1.0
    _, low, high = difference_interval(one, other, generator(), share=True)
    assert high - low == pytest.approx(4 * exact_room(n))


def test_with_many_images_that_differ_it_is_the_bootstrap_interval() -> None:
    values = np.repeat([0.0, 1.0], 200)
    assert mean_interval(values, generator(), share=True) == mean_interval(values, generator())


def test_stored_intervals_are_widened_by_the_same_rule() -> None:
    values = np.zeros(510)
    values[0] = -1.0
    pair = ("target", "held-out sources")
    bare = [
        Estimate("inside", "target", "FGMix - control", 2, *mean_interval(values, generator(), signed=True), 510),
        Estimate("inside", "held-out sources", "FGMix - control", 2, 0.0, 0.0, 0.0, 279),
        Estimate("inside", " - ".join(pair), "FGMix - control", 2, -1 / 510, -0.004, 0.0, 789),
        Estimate("inside", "target", "sources", 2, 0.001, 0.0, 0.002, 510),
        Estimate("distance", "target", "FGMix - control", 8, 0.1, 0.1, 0.1, 510),
    ]
    target, held_out, gap, share, distance = found = at_least_exact(bare)
    assert (target.value, target.low, target.high) == pytest.approx(
        mean_interval(values, generator(), share=True, signed=True)
    )
    assert (held_out.low, held_out.high) == pytest.approx((-exact_room(279), exact_room(279)))
    room = exact_room(510) + exact_room(279)
    assert (gap.low, gap.high) == pytest.approx((-1 / 510 - room, -1 / 510 + room))
    assert (share.low, share.high) == pytest.approx((0.0, 0.001 + exact_room(510)))
    assert distance is bare[-1]
    assert at_least_exact(found) == found


def test_equal_values_and_no_values() -> None:
    assert np.isnan(mean_interval(np.empty(0), generator())).all()
    assert np.isnan(difference_interval(np.empty(0), np.ones(3), generator())).all()
    low, high = difference_interval(np.zeros(9), np.zeros(9), generator(), share=True)[1:]
    assert low == -high < 0


def test_a_table_has_a_row_an_estimate() -> None:
    table = to_table([Estimate("inside", "target", "sources", 2, 0.5, 0.4, 0.6, 10)])
    assert table.loc[0, ["measure", "value", "n"]].tolist() == ["inside", 0.5, 10]
    assert to_table([]).columns.tolist() == table.columns.tolist()
