"""Scores, softmax, scaling and shifting, codes: the laws of Eqs. 1 and 3-5."""

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special, stats
from torch import Tensor

from landscape.fgmix import (
    cosine_scores,
    cosine_weights,
    dirichlet_weights,
    extrapolated,
    extrapolation_onset,
    linear_gradients,
    mix_codes,
    one_hot_weights,
    pair_cosines,
    scale_and_shift,
    score_sums,
    softmax_weights,
    weight_entropy,
)

TOY = torch.tensor([[0.21218712, 0.39938428, 0.33777486, 0.05065374]], dtype=torch.float64)


@st.composite
def softmaxes(draw: st.DrawFn) -> Tensor:
    shape = draw(st.tuples(st.integers(1, 4), st.integers(2, 6)))
    scores = draw(hnp.arrays(np.float64, shape, elements=st.floats(-8, 8)))
    return softmax_weights(torch.from_numpy(scores))


scales = st.floats(-20, 20)

# A busy neighbour must not fail a law.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@unhurried
@given(softmaxes(), scales)
def test_weights_sum_to_one_at_any_scale(weights: Tensor, scale: float) -> None:
    assert scale_and_shift(weights, scale).sum(1).numpy() == pytest.approx(1, abs=1e-13)


@unhurried
@given(softmaxes())
def test_scale_one_is_the_identity(weights: Tensor) -> None:
    assert torch.equal(scale_and_shift(weights, 1.0), weights)


@unhurried
@given(st.integers(2, 9), scales)
def test_uniform_weights_are_a_fixed_point(n: int, scale: float) -> None:
    uniform = torch.full((1, n), 1 / n, dtype=torch.float64)
    torch.testing.assert_close(scale_and_shift(uniform, scale), uniform, rtol=0, atol=1e-14)
    assert math.isinf(extrapolation_onset(torch.full((1, 4), 0.25)))


@unhurried
@given(softmaxes(), scales)
def test_adjustment_grows_with_scale_and_distinctiveness(weights: Tensor, scale: float) -> None:
    moved = (scale_and_shift(weights, scale) - weights).abs()
    expected = abs(scale - 1) * (weights - 1 / weights.shape[1]).abs()
    torch.testing.assert_close(moved, expected, rtol=1e-12, atol=1e-13)


@unhurried
@given(softmaxes())
def test_extrapolation_sets_in_at_the_onset(weights: Tensor) -> None:
    onset = extrapolation_onset(weights)
    assume(bool((onset < 1e3).all()))
    below = torch.stack([scale_and_shift(row, float(at) * (1 - 1e-9)) for row, at in zip(weights, onset, strict=True)])
    above = torch.stack([scale_and_shift(row, float(at) * (1 + 1e-9)) for row, at in zip(weights, onset, strict=True)])
    assert not extrapolated(below).any()
    assert extrapolated(above).all()
    assert (onset >= 1).all()


@unhurried
@given(softmaxes(), st.floats(0, 0.9))
def test_more_distinctive_weights_extrapolate_sooner(weights: Tensor, share: float) -> None:
    # Drawn towards uniform by Eq. 5 itself: the onset moves out in proportion.
    onset = extrapolation_onset(weights)
    assume(bool((onset < 1e6).all()))
    blander = extrapolation_onset(scale_and_shift(weights, 1 - share))
    torch.testing.assert_close(blander, onset / (1 - share), rtol=1e-6, atol=0)


def test_golden_values_of_the_toy_example() -> None:
    for scale, expected in (
        (3, [0.1366, 0.6982, 0.5133, -0.3480]),
        (5, [0.0609, 0.9969, 0.6889, -0.7467]),
        (8, [-0.0525, 1.4451, 0.9522, -1.3448]),
    ):
        assert scale_and_shift(TOY, scale)[0].tolist() == pytest.approx(expected, abs=5.1e-5)
    assert float(extrapolation_onset(TOY)) == pytest.approx(1.2541, abs=5e-5)


def test_scores_leave_out_the_pair_with_oneself() -> None:
    scores = torch.arange(18.0).reshape(2, 3, 3)
    expected = torch.tensor(
        [[sum(float(scores[m, i, j]) for j in range(3) if j != i) for i in range(3)] for m in range(2)]
    )
    torch.testing.assert_close(score_sums(scores), expected)
    scores[:, range(3), range(3)] = torch.inf
    torch.testing.assert_close(score_sums(scores), expected)


@unhurried
@given(softmaxes())
def test_entropy_is_scipys(weights: Tensor) -> None:
    expected = special.entr(weights.numpy()).sum(1)
    np.testing.assert_allclose(weight_entropy(weights).numpy(), expected, rtol=1e-12, atol=1e-15)


def test_entropy_of_uniform_copied_and_extrapolated_weights() -> None:
    rows = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.0, 1.0, 0.0, 0.0], [1.5, -0.5, 0.0, 0.0]])
    entropy = weight_entropy(rows).tolist()
    assert entropy[:2] == pytest.approx([math.log(4), 0.0])
    assert math.isnan(entropy[2])


def test_codes_are_the_weighted_sums_with_both_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(7, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    weights = torch.randn(4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    rows = torch.tensor([[0, 3, 5], [1, 3, 6], [0, 4, 5], [2, 4, 5]])
    expected = torch.stack([sum(weights[m, i] * codes[rows[m, i]] for i in range(3)) for m in range(4)])
    torch.testing.assert_close(mix_codes(codes, rows, weights), expected)
    assert torch.autograd.gradcheck(lambda c, w: mix_codes(c, rows, w), (codes, weights))
    assert mix_codes(codes, rows[:0], weights[:0]).shape == (0, 3)


def test_gradients_are_the_same_bit_for_bit_on_several_threads() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(4, 1280, generator=generator, requires_grad=True)
    rows = torch.randint(0, 4, (64, 3), generator=generator)
    weights, slope = torch.randn(64, 3, generator=generator), torch.randn(64, 1280, generator=generator)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        gradients = [torch.autograd.grad(mix_codes(codes, rows, weights), codes, slope)[0] for _ in range(50)]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(gradients[0], gradient) for gradient in gradients)


def test_cosine_scores_are_sums_over_the_group() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(6, 4, dtype=torch.float64, generator=generator)
    gradients = linear_gradients(torch.nn.Linear(4, 3).double(), codes, torch.tensor([0, 1, 2, 0, 1, 2]))
    rows = torch.tensor([[0, 3, 5], [1, 2, 4]])
    for vectors, dense in ((codes, codes), (gradients, gradients.dense())):
        unit = dense.numpy() / np.linalg.norm(dense.numpy(), axis=1, keepdims=True)
        cosine = unit @ unit.T
        expected = [[sum(cosine[i, j] for j in row if j != i) for i in row] for row in rows.tolist()]
        np.testing.assert_allclose(cosine_scores(vectors, rows), expected, rtol=1e-12)
        np.testing.assert_allclose(cosine_weights(vectors, rows), special.softmax(expected, axis=1), rtol=1e-12)
        np.testing.assert_allclose(pair_cosines(vectors, rows)[0, 1, 2], cosine[3, 5], rtol=1e-12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 40), st.integers(2, 6), st.floats(0.05, 20), st.integers(0, 2**31))
def test_dirichlet_weights_interpolate(count: int, n: int, concentration: float, seed: int) -> None:
    weights = dirichlet_weights(count, n, concentration, np.random.default_rng(seed))
    assert weights.shape == (count, n)
    assert weights.dtype == torch.float32
    assert not extrapolated(weights).any()
    assert weights.sum(1).tolist() == pytest.approx([1.0] * count, abs=1e-6)


def test_dirichlet_marginals_are_beta() -> None:
    weights = dirichlet_weights(4000, 3, 0.5, np.random.default_rng(0))
    for i in range(3):
        assert stats.kstest(weights[:, i].double().numpy(), stats.beta(0.5, 1.0).cdf).pvalue > 1e-3


def test_one_hot_weights_copy_each_member_equally_often() -> None:
    weights = one_hot_weights(6000, 3, np.random.default_rng(0))
    assert torch.equal(weights.sort(1).values, torch.tensor([[0.0, 0.0, 1.0]]).expand(6000, 3))
    assert stats.chisquare(weights.sum(0).numpy()).pvalue > 1e-3
