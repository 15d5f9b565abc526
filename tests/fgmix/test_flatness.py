"""Flatness loss: the exact projection against explicit directions in the whole parameter space."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from landscape.errors import InputError
from landscape.fgmix import absolute_radius, flatness, flatness_loss, flatness_loss_explicit, mix_codes
from landscape.fgmix.flatness import _both_signs, _difference, _loss_changes, _mean_change, random_projections

FEATURES, CLASSES, BATCH = 12, 4, 9
ROWS = torch.tensor([[0, 3, 6], [1, 4, 6], [2, 3, 8], [0, 5, 7]])
FORMS = ["signed", "squared", "absolute"]
DATA = ["pooled", "generated"]


def linear() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(FEATURES, CLASSES).double()


def nonlinear() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(FEATURES, 5), nn.Tanh(), nn.Linear(5, CLASSES)).double()


def case() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Codes, labels, rows, weights (some negative, sum 1), group labels."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(BATCH, FEATURES, dtype=torch.float64, generator=generator)
    labels = torch.randint(0, CLASSES, (BATCH,), generator=generator)
    weights = torch.softmax(2 * torch.randn(ROWS.shape, dtype=torch.float64, generator=generator), 1)
    return codes, labels, ROWS, 3 * weights - 2 / 3, torch.randint(0, CLASSES, (len(ROWS),), generator=generator)


def unit_directions(count: int, width: int, seed: int = 5) -> Tensor:
    draws = torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return draws / draws.norm(dim=1, keepdim=True)


def brute_force(classifier: nn.Module, directions: Tensor, radius: float, difference: str, data: str) -> float:
    """Eq. 6 as it reads: move the parameters, evaluate, move back."""
    codes, labels, rows, weights, group_labels = case()
    mixed = torch.stack([sum(weights[m, i] * codes[rows[m, i]] for i in range(3)) for m in range(len(rows))])
    inputs, targets = (mixed, group_labels)
    if data == "pooled":
        inputs, targets = torch.cat([codes, mixed]), torch.cat([labels, group_labels])
    start = parameters_to_vector(classifier.parameters()).detach().clone()
    values = []
    with torch.no_grad():
        base = F.cross_entropy(classifier(inputs), targets)
        for direction in directions:
            vector_to_parameters(start + radius * direction, classifier.parameters())
            change = float(F.cross_entropy(classifier(inputs), targets) - base)
            values.append({"signed": change, "squared": change**2, "absolute": abs(change)}[difference])
        vector_to_parameters(start, classifier.parameters())
    return float(np.mean(values))


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("difference", FORMS)
@pytest.mark.parametrize("build", [linear, nonlinear])
def test_explicit_directions_equal_brute_force(build, difference: str, data: str, monkeypatch) -> None:
    classifier = build()
    directions = unit_directions(11, sum(parameter.numel() for parameter in classifier.parameters()))
    expected = brute_force(classifier, directions, 1.7, difference, data)
    for chunk in (1 << 24, 100):  # all at once, and a few at a time
        monkeypatch.setattr(flatness, "CHUNK", chunk)
        value = flatness_loss_explicit(classifier, *case(), directions, radius=1.7, difference=difference, data=data)
        assert float(value) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("difference", FORMS)
def test_projected_directions_equal_explicit_ones_in_value_and_gradient(difference: str, data: str) -> None:
    # The same u: its projections U zt are formed by hand instead of drawn.
    classifier = linear()
    codes, labels, rows, weights, group_labels = case()
    weights.requires_grad_()
    directions = unit_directions(7, CLASSES * (FEATURES + 1))
    matrix = directions[:, : CLASSES * FEATURES].reshape(-1, CLASSES, FEATURES)
    steps = 1.7 * (matrix @ codes.mT + directions[:, CLASSES * FEATURES :, None])
    mixing = torch.zeros(len(rows), BATCH, dtype=torch.float64).scatter_add(1, rows, weights).mT
    logits = classifier(codes).detach().mT
    changes = _mean_change(
        _loss_changes(logits, _both_signs(steps), labels),
        _loss_changes(logits @ mixing, _both_signs(steps @ mixing), group_labels),
        data,
    )
    projected = _difference(changes, difference).mean()
    explicit = flatness_loss_explicit(
        classifier, codes, labels, rows, weights, group_labels, _both_signs(directions),
        radius=1.7, difference=difference, data=data,
    )  # fmt: skip
    torch.testing.assert_close(projected, explicit, rtol=1e-12, atol=1e-15)
    mine, theirs = (torch.autograd.grad(value, weights)[0] for value in (projected, explicit))
    # Along the weights' own sum both are functions of different extensions; on the simplex plane they agree.
    mine, theirs = (grad - grad.mean(1, keepdim=True) for grad in (mine, theirs))
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("build", [linear, nonlinear])
@pytest.mark.parametrize("difference", FORMS)
def test_gradient_by_finite_differences_reaches_the_weights_only(build, difference: str) -> None:
    classifier = build()
    codes, labels, rows, weights, group_labels = case()
    codes.requires_grad_()
    weights.requires_grad_()

    def loss(weights: Tensor) -> Tensor:
        return flatness_loss(
            classifier, codes, labels, rows, weights, group_labels,
            radius=1.3, directions=8, difference=difference, generator=torch.Generator().manual_seed(3),
        )  # fmt: skip

    assert torch.autograd.gradcheck(loss, (weights,))
    loss(weights).backward()
    assert weights.grad is not None
    assert codes.grad is None
    assert all(parameter.grad is None for parameter in classifier.parameters())


@pytest.mark.parametrize("count", [3, 5, 20])
def test_projections_have_the_law_of_a_uniform_unit_vector(count: int) -> None:
    # Few codes, and more codes than dimensions; with a repeated code, so that they are linearly dependent.
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(count, 3, dtype=torch.float64, generator=generator)
    codes[1] = codes[0]
    extended = torch.cat([codes, torch.ones(count, 1, dtype=torch.float64)], 1)
    draws, width = 20000, 2 * 4
    projections = random_projections(codes, 2, draws, generator=generator)
    explicit = unit_directions(draws, width).reshape(-1, 2, 4) @ extended.mT
    # Second moments: E[(U zt_i)_k (U zt_j)_l] = [k = l] zt_i . zt_j / P.
    flat = projections.flatten(1)
    expected = torch.kron(torch.eye(2, dtype=torch.float64), extended @ extended.mT) / width
    torch.testing.assert_close(flat.mT @ flat / draws, expected, rtol=0, atol=5 * float(expected.max()) / draws**0.5)
    assert float(flat.mean(0).abs().max()) < 5 * math.sqrt(float(expected.max()) / draws)
    # Whole distributions: a coordinate, and the length of the projection, which for a sphere is not Gaussian's.
    for measure in (lambda a: a[:, 0, 0], lambda a: a[:, 1, -1], lambda a: a.square().sum((1, 2))):
        assert stats.ks_2samp(measure(projections).numpy(), measure(explicit).numpy()).pvalue > 1e-3
    lengths = (projections @ torch.linalg.pinv(extended).mT).square().sum((1, 2))
    rank = int(torch.linalg.matrix_rank(extended))
    if rank == 4:
        torch.testing.assert_close(lengths, torch.ones(draws, dtype=torch.float64))
    else:
        assert stats.kstest(lengths.numpy(), stats.beta(rank, 4 - rank).cdf).pvalue > 1e-3


@pytest.mark.parametrize("difference", FORMS)
def test_projected_and_explicit_losses_agree_in_distribution(difference: str) -> None:
    classifier = linear()

    def draw(build: nn.Module, seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        keywords = {"radius": 4.0, "directions": 2, "difference": difference, "generator": generator}
        return float(flatness_loss(build, *case(), **keywords))

    def draws(build: nn.Module) -> np.ndarray:
        return np.array([draw(build, seed) for seed in range(400)])

    # Wrapped in a container, the same classifier takes the path with explicit directions.
    projected, explicit = draws(classifier), draws(nn.Sequential(classifier))
    assert stats.ks_2samp(projected, explicit).pvalue > 1e-3
    error = math.hypot(projected.std() / 20, explicit.std() / 20)
    assert projected.mean() == pytest.approx(explicit.mean(), abs=4 * error)
    assert projected.std() == pytest.approx(explicit.std(), rel=0.25)


def test_signed_loss_is_the_hessian_trace_at_small_radius() -> None:
    classifier = linear()
    codes, _, rows, weights, _ = case()
    inputs = torch.cat([codes, mix_codes(codes, rows, weights)])
    p = torch.softmax(classifier(inputs).detach(), 1)
    trace = ((p - p.square()).sum(1) * (inputs.square().sum(1) + 1)).mean()
    width, radius = CLASSES * (FEATURES + 1), 1e-3
    # The mean over an orthonormal basis has the second-order term of the mean over the sphere.
    basis = torch.eye(width, dtype=torch.float64)
    value = flatness_loss_explicit(classifier, *case(), _both_signs(basis), radius=radius)
    expected = radius**2 * float(trace) / (2 * width)
    assert float(value) == pytest.approx(expected, rel=1e-4)
    drawn = flatness_loss(
        classifier, *case(), radius=radius, directions=20000, generator=torch.Generator().manual_seed(0)
    )
    assert float(drawn) == pytest.approx(expected, rel=0.05)


def test_signed_loss_of_a_linear_head_is_never_negative() -> None:
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        assert flatness_loss(linear(), *case(), radius=2.0, directions=2, generator=generator) >= 0


def test_same_generator_same_loss_and_wide_codes_cost_no_wide_draws() -> None:
    codes = torch.randn(12, 3000, generator=torch.Generator().manual_seed(0))
    classifier, labels = nn.Linear(3000, 5), torch.arange(12) % 5
    rows = torch.tensor([[0, 5], [1, 6]])
    weights = torch.tensor([[0.5, 0.5], [1.5, -0.5]])
    a, b, c = (
        flatness_loss(
            classifier, codes, labels, rows, weights, labels[:2],
            radius=1.0, generator=torch.Generator().manual_seed(seed),
        )
        for seed in (1, 1, 2)
    )  # fmt: skip
    assert a == b != c


@pytest.mark.parametrize("repeated", [False, True])
def test_the_factor_keeps_all_inner_products(repeated: bool) -> None:
    for count in (3, 7, 20):
        vectors = torch.rand(count, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        if repeated:
            vectors[1:] = vectors[0]
        factor = flatness._factor(vectors)
        assert factor.shape == (min(count, 7), count)
        torch.testing.assert_close(factor.mT @ factor, vectors @ vectors.mT)


def test_codes_that_are_not_finite_give_a_loss_that_is_not() -> None:
    codes, *rest = case()
    for value in (torch.nan, torch.inf):
        codes[2, 3] = value
        for classifier in (linear(), nonlinear()):
            generator = torch.Generator().manual_seed(0)
            assert not math.isfinite(flatness_loss(classifier, codes, *rest, radius=1.0, generator=generator))


def test_no_groups_leave_the_originals() -> None:
    codes, labels, rows, weights, group_labels = case()
    none = (codes, labels, rows[:0], weights[:0], group_labels[:0])
    for classifier in (linear(), nonlinear()):
        for data in DATA:
            value = flatness_loss(classifier, *none, radius=1.0, data=data, generator=torch.Generator().manual_seed(0))
            assert math.isfinite(value)
            assert (value == 0) == (data == "generated")


@pytest.mark.parametrize("directions", [0, 1, 7])
def test_directions_come_in_pairs(directions: int) -> None:
    with pytest.raises(InputError, match=f"got {directions} directions; expected an even number"):
        flatness_loss(linear(), *case(), radius=1.0, directions=directions, generator=torch.Generator())


def test_relative_radius_is_a_share_of_the_classifiers_norm() -> None:
    for classifier in (linear(), nonlinear()):
        norm = float(parameters_to_vector(classifier.parameters()).detach().norm())
        assert absolute_radius(classifier, 0.5, relative=True) == pytest.approx(0.5 * norm)
        assert absolute_radius(classifier, 0.5, relative=False) == 0.5


def test_a_head_keeps_its_mode_and_weights() -> None:
    classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(FEATURES, CLASSES)).double()
    before = parameters_to_vector(classifier.parameters()).detach().clone()
    values = {
        float(flatness_loss(classifier, *case(), radius=1.0, generator=torch.Generator().manual_seed(0)))
        for _ in range(2)
    }
    assert len(values) == 1
    assert classifier.training
    assert classifier[0].training
    assert torch.equal(parameters_to_vector(classifier.parameters()), before)
