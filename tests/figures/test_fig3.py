"""Figure 3: gradients by differences, weights and onset by their definition."""

import numpy as np
import pytest

from landscape.figures import fig3
from landscape.figures.study import Study


def test_gradients_are_the_slopes_of_the_losses() -> None:
    result = fig3.toy(grid=241)
    middle, step = len(result.axis) // 2, result.axis[1] - result.axis[0]
    assert result.axis[middle] == pytest.approx(0, abs=1e-12)
    along_x = (result.losses[:, middle, middle + 1] - result.losses[:, middle, middle - 1]) / (2 * step)
    along_y = (result.losses[:, middle + 1, middle] - result.losses[:, middle - 1, middle]) / (2 * step)
    np.testing.assert_allclose(np.stack([along_x, along_y], 1), result.gradients, atol=1e-9)


def test_a_step_changes_a_quadratic_loss_by_its_expansion() -> None:
    result = fig3.toy()
    g = result.gradients
    np.testing.assert_allclose(result.change, -fig3.STEP * g @ g.T + fig3.STEP**2 / 2 * (g**2).sum(1)[:, None])


def test_cosines_are_those_of_the_angles() -> None:
    degrees = np.array([angle for _, angle in fig3.MINIMA])
    result = fig3.toy()
    expected = np.cos(np.radians(degrees[:, None] - degrees))
    np.testing.assert_allclose(result.cosines, expected, atol=1e-12)
    np.testing.assert_allclose(result.sums, expected.sum(1) - 1, atol=1e-12)


def test_weights_sum_to_one_and_turn_negative_at_the_onset() -> None:
    result = fig3.toy((1.0, 2.0, 3.0, 5.0, 8.0))
    np.testing.assert_allclose(result.scaled.sum(-1), 1)
    np.testing.assert_array_equal(result.scaled[:, 0], result.softmax)
    for row in (0, 1):
        onset = float(result.onset[row])
        assert onset == pytest.approx(1 / (1 - 3 * result.softmax[row].min()))
        below, above = fig3.toy((onset - 1e-9, onset + 1e-9)).scaled[row]
        assert below.min() > 0 > above.min()
    assert np.ptp(result.softmax[0]) > np.ptp(result.softmax[1])


def test_the_item(study: Study) -> None:
    product = fig3.make(study)
    table = product.tables["weights"]
    assert table["lambda"].tolist() == [1, 2, 3, 5, 8] * 2
    assert (table["extrapolates"] == (table["lambda"] > table["onset"])).all()
    assert (table[["w1", "w2", "w3"]].min(axis=1) < 0).equals(table["extrapolates"])
