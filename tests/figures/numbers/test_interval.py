"""Units of an interval, and tests on few numbers against scipy and brute force."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from landscape.figures.numbers.interval import Mean, over_cells, signed_rank, smallest_p


def test_seeds_are_the_unit_where_there_are_several_else_targets() -> None:
    cells = np.array([[1.0, 3.0], [3.0, 9.0]])
    several, single = over_cells(cells), over_cells(cells[:, :1])
    assert (several.value, several.n, several.unit) == (4.0, 2, "seeds")
    assert several == Mean.of([2.0, 6.0])
    assert (single.value, single.n, single.unit) == (2.0, 2, "targets")
    assert over_cells(cells[:1, :1]).unit == "seeds"


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=7, unique=True), st.integers(0, 127))
def test_signed_rank_is_scipys_exact_test(sizes: list[int], signs: int) -> None:
    differences = [size if signs >> i & 1 else -size for i, size in enumerate(sizes)]
    assert signed_rank(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


def test_signed_rank_with_ties_goes_through_all_signs() -> None:
    differences = np.array([2.0, 2.0, -1.0, 5.0])
    ranks = stats.rankdata(np.abs(differences))
    sums = [abs(np.dot(signs, ranks)) for signs in product((-1, 1), repeat=4)]
    observed = abs(np.dot(np.sign(differences), ranks))
    assert signed_rank(differences) == pytest.approx(np.mean([s >= observed - 1e-9 for s in sums]))
    assert signed_rank([0.0, 1.0, 0.0, -2.0]) == signed_rank([1.0, -2.0])
    assert np.isnan(signed_rank([0.0, 1.0]))


def test_four_targets_cannot_go_below_an_eighth() -> None:
    assert signed_rank([1.0, 2.0, 3.0, 4.0]) == smallest_p(4) == 0.125
