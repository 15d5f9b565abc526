"""Rows of the table, and stored ones against the exact interval."""

import numpy as np
import pytest
from scipy import stats

from landscape.embedding.estimate import Estimate, at_least_exact, to_table
from landscape.intervals import bootstrap_mean


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def exact_room(n: int) -> float:
    return stats.binomtest(0, n).proportion_ci(method="exact").high


def test_stored_intervals_are_widened_by_the_same_rule() -> None:
    values = np.zeros(510)
    values[0] = -1.0
    pair = ("target", "held-out sources")
    bare = [
        Estimate.of("inside", "target", "FGMix - control", 2, bootstrap_mean(values, generator(), signed=True)),
        Estimate("inside", "held-out sources", "FGMix - control", 2, 0.0, 0.0, 0.0, 279),
        Estimate("inside", " - ".join(pair), "FGMix - control", 2, -1 / 510, -0.004, 0.0, 789),
        Estimate("inside", "target", "sources", 2, 0.001, 0.0, 0.002, 510),
        Estimate("distance", "target", "FGMix - control", 8, 0.1, 0.1, 0.1, 510),
    ]
    target, held_out, gap, share, distance = found = at_least_exact(bare)
    wide = bootstrap_mean(values, generator(), shares=True, signed=True)
    assert (target.value, target.low, target.high) == pytest.approx((wide.value, wide.low, wide.high))
    assert (held_out.low, held_out.high) == pytest.approx((-exact_room(279), exact_room(279)))
    room = exact_room(510) + exact_room(279)
    assert (gap.low, gap.high) == pytest.approx((-1 / 510 - room, -1 / 510 + room))
    assert (share.low, share.high) == pytest.approx((0.0, 0.001 + exact_room(510)))
    assert distance is bare[-1]
    assert at_least_exact(found) == found


def test_a_table_has_a_row_an_estimate() -> None:
    table = to_table([Estimate("inside", "target", "sources", 2, 0.5, 0.4, 0.6, 10)])
    assert table.loc[0, ["measure", "value", "n"]].tolist() == ["inside", 0.5, 10]
    assert to_table([]).columns.tolist() == table.columns.tolist()
