"""Three quadratic losses: gradients by differences, weights and onset by their definition."""

import numpy as np
import pytest

from landscape.toy.three_losses import MINIMA, STEP, three_losses


def test_gradients_are_the_slopes_of_the_losses() -> None:
    result = three_losses(grid=241)
    middle, step = len(result.axis) // 2, result.axis[1] - result.axis[0]
    assert result.axis[middle] == pytest.approx(0, abs=1e-12)
    along_x = (result.losses[:, middle, middle + 1] - result.losses[:, middle, middle - 1]) / (2 * step)
    along_y = (result.losses[:, middle + 1, middle] - result.losses[:, middle - 1, middle]) / (2 * step)
    np.testing.assert_allclose(np.stack([along_x, along_y], 1), result.gradients, atol=1e-9)


def test_a_step_changes_a_quadratic_loss_by_its_expansion() -> None:
    result = three_losses()
    g = result.gradients
    np.testing.assert_allclose(result.change, -STEP * g @ g.T + STEP**2 / 2 * (g**2).sum(1)[:, None])


def test_cosines_are_those_of_the_angles() -> None:
    degrees = np.array([angle for _, angle in MINIMA])
    result = three_losses()
    expected = np.cos(np.radians(degrees[:, None] - degrees))
    np.testing.assert_allclose(result.cosines, expected, atol=1e-12)
    np.testing.assert_allclose(result.sums, expected.sum(1) - 1, atol=1e-12)


def test_weights_sum_to_one_and_turn_negative_at_the_onset() -> None:
    result = three_losses((1.0, 2.0, 3.0, 5.0, 8.0))
    np.testing.assert_allclose(result.scaled.sum(-1), 1)
    np.testing.assert_array_equal(result.scaled[:, 0], result.softmax)
    for row in (0, 1):
        onset = float(result.onset[row])
        assert onset == pytest.approx(1 / (1 - 3 * result.softmax[row].min()))
        below, above = three_losses((onset - 1e-9, onset + 1e-9)).scaled[row]
        assert below.min() > 0 > above.min()
    assert np.ptp(result.softmax[0]) > np.ptp(result.softmax[1])
