"""Classifier gradients: closed form against vmap against autograd, one example at a time."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from landscape.fgmix import LinearGradients, classifier_gradients, dense_gradients, linear_gradients, pairwise_cosine
from landscape.fgmix.gradients import has_closed_form

FEATURES, CLASSES, BATCH = 6, 4, 9


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(BATCH, FEATURES, dtype=torch.float64, generator=generator)
    return codes, torch.randint(0, CLASSES, (BATCH,), generator=generator)


def linear() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(FEATURES, CLASSES).double()


def nonlinear() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(FEATURES, 5), nn.ReLU(), nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, CLASSES)).double()


def one_at_a_time(classifier: nn.Module, codes: Tensor, labels: Tensor) -> Tensor:
    rows = []
    for code, label in zip(codes, labels, strict=True):
        loss = F.cross_entropy(classifier(code[None]), label[None])
        rows.append(parameters_to_vector(torch.autograd.grad(loss, list(classifier.parameters()))))
    return torch.stack(rows)


def test_closed_form_equals_vmap_equals_autograd() -> None:
    classifier, (codes, labels) = linear(), batch()
    expected = one_at_a_time(classifier, codes, labels)
    closed = linear_gradients(classifier, codes, labels)
    assert closed.size == expected.shape[1]
    assert len(closed) == BATCH
    torch.testing.assert_close(closed.dense(), expected, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(dense_gradients(classifier, codes, labels), expected, rtol=1e-13, atol=1e-15)


def test_nonlinear_head_equals_autograd() -> None:
    classifier, (codes, labels) = nonlinear(), batch()
    gradients = classifier_gradients(classifier, codes, labels)
    assert isinstance(gradients, Tensor)
    torch.testing.assert_close(gradients, one_at_a_time(classifier, codes, labels), rtol=1e-13, atol=1e-15)


def test_norms_inner_products_and_cosines_equal_those_of_the_dense_vectors() -> None:
    codes, labels = batch()
    gradients = linear_gradients(linear(), codes, labels)
    dense = gradients.dense()
    torch.testing.assert_close(gradients.norms(), dense.norm(dim=1))
    torch.testing.assert_close(gradients.inner(), dense @ dense.mT)
    expected = F.cosine_similarity(dense[:, None], dense[None], dim=-1)
    torch.testing.assert_close(pairwise_cosine(gradients), expected)
    torch.testing.assert_close(pairwise_cosine(dense), expected)


def test_an_index_of_groups_gives_leading_dimensions() -> None:
    codes, labels = batch()
    gradients = linear_gradients(linear(), codes, labels)
    rows = torch.tensor([[0, 3, 5], [2, 2, 8]])
    dense = gradients.dense()[rows]
    torch.testing.assert_close(gradients[rows].dense(), dense)
    torch.testing.assert_close(gradients.index(rows).inner(), dense @ dense.mT)
    torch.testing.assert_close(pairwise_cosine(gradients[rows]), pairwise_cosine(dense))
    torch.testing.assert_close(gradients[2:4].dense(), gradients.dense()[2:4])


def test_scaling_is_per_example() -> None:
    codes, labels = batch()
    gradients = linear_gradients(linear(), codes, labels)
    factors = torch.linspace(-1, 2, BATCH, dtype=torch.float64)
    torch.testing.assert_close(gradients.scaled(factors).dense(), gradients.dense() * factors[:, None])


def test_codes_and_classifier_are_constants() -> None:
    codes, labels = batch()
    codes.requires_grad_()
    for classifier in (linear(), nonlinear()):
        gradients = classifier_gradients(classifier, codes, labels)
        parts = [gradients] if isinstance(gradients, Tensor) else [gradients.delta, gradients.codes]
        assert not any(part.requires_grad for part in parts)
        assert all(parameter.grad is None for parameter in classifier.parameters())


def test_only_a_plain_linear_layer_has_the_closed_form() -> None:
    class Scaled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    normed = nn.utils.parametrizations.weight_norm(nn.Linear(FEATURES, CLASSES))
    unbiased = nn.Linear(FEATURES, CLASSES, bias=False)
    assert has_closed_form(linear())
    assert not any(map(has_closed_form, (Scaled(FEATURES, CLASSES), normed, unbiased, nonlinear())))
    codes, labels = batch()
    for classifier in (Scaled(FEATURES, CLASSES).double(), normed.double(), unbiased.double()):
        gradients = classifier_gradients(classifier, codes, labels)
        torch.testing.assert_close(gradients, one_at_a_time(classifier, codes, labels))


def test_a_head_with_dropout_and_batch_norm_is_deterministic_and_keeps_its_mode() -> None:
    classifier = nn.Sequential(nn.BatchNorm1d(FEATURES), nn.Dropout(0.5), nn.Linear(FEATURES, CLASSES)).double()
    classifier[0].eval()
    codes, labels = batch()
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    first, second = (dense_gradients(classifier, codes, labels) for _ in range(2))
    assert torch.equal(first, second)
    assert [part.training for part in classifier] == [False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


def test_a_confident_example_keeps_its_direction_in_float32() -> None:
    # Logit margin 30: p_y - 1 rounds to 0 in float32, though the gradient is 1e-13 and not 0.
    classifier = nn.Linear(2, 3)
    with torch.no_grad():
        classifier.weight.copy_(torch.tensor([[30.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))
        classifier.bias.zero_()
    codes, labels = torch.tensor([[1.0, 2.0], [0.9, -1.0]]), torch.tensor([0, 0])
    gradients = linear_gradients(classifier, codes, labels)
    exact = linear_gradients(classifier.double(), codes.double(), labels)
    assert (gradients.delta[:, 0] < 0).all()
    torch.testing.assert_close(gradients.dense().double(), exact.dense(), rtol=1e-5, atol=0.0)
    torch.testing.assert_close(pairwise_cosine(gradients).double(), pairwise_cosine(exact), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [1.0, 1e-30])
def test_zero_vectors_have_cosine_zero_and_tiny_ones_do_not(size: float) -> None:
    vectors = size * torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    expected = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.5**0.5], [0.0, 0.5**0.5, 1.0]])
    torch.testing.assert_close(pairwise_cosine(vectors), expected)
    gradients = LinearGradients(vectors, torch.zeros(3, 4))
    torch.testing.assert_close(pairwise_cosine(gradients), expected)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**31))
def test_cosines_stay_within_one(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = LinearGradients(torch.randn(5, 3, generator=generator), torch.randn(5, 7, generator=generator))
    cosine = pairwise_cosine(gradients)
    assert cosine.abs().max() <= 1
    torch.testing.assert_close(cosine.diagonal(), torch.ones(5))
