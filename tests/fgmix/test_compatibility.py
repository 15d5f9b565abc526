"""S_phi: the rank-one, split first layer against a literal MLP on concatenated dense gradients."""

import itertools
import time

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from landscape.errors import InputError
from landscape.fgmix import CompatibilityNetwork, LinearGradients, classifier_gradients, linear_gradients
from landscape.fgmix.compatibility import ACTIVATIONS, normalise

FEATURES, CLASSES, BATCH = 5, 4, 8
ROWS = torch.tensor([[0, 3, 6], [1, 3, 7], [0, 4, 7], [1, 5, 6]])


def head() -> nn.Linear:
    torch.manual_seed(2)
    return nn.Linear(FEATURES, CLASSES).double()


def gradients() -> LinearGradients:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(BATCH, FEATURES, dtype=torch.float64, generator=generator)
    return linear_gradients(head(), codes, torch.randint(0, CLASSES, (BATCH,), generator=generator))


def literal(network: CompatibilityNetwork, activation: str, depth: int) -> nn.Sequential:
    """The same MLP as the paper words it, on [g_i; g_j]."""
    hidden = len(network.bias)
    first = nn.Linear(2 * network.in_features, hidden)
    layers = [first, ACTIVATIONS[activation]()]
    if depth == 2:
        layers += [nn.Linear(hidden, hidden), ACTIVATIONS[activation]()]
    mlp = nn.Sequential(*layers, nn.Linear(hidden, 1)).double()
    with torch.no_grad():
        first.weight.copy_(torch.cat([network.weight[0], network.weight[1]], dim=1))
        first.bias.copy_(network.bias)
        for mine, theirs in zip(network.tail.parameters(), list(mlp.parameters())[2:], strict=True):
            theirs.copy_(mine)
    return mlp


def literal_scores(mlp: nn.Sequential, vectors: Tensor) -> Tensor:
    """(M, n, n) one ordered pair at a time."""
    groups, n = ROWS.shape
    scores = torch.zeros(groups, n, n, dtype=torch.float64)
    for m, i, j in itertools.product(range(groups), range(n), range(n)):
        if i != j:
            scores[m, i, j] = mlp(torch.cat([vectors[ROWS[m, i]], vectors[ROWS[m, j]]])[None]).squeeze()
    return scores


CASES = list(itertools.product(["none", "l2", "layernorm"], ["tanh", "relu", "leaky_relu"], [1, 2]))


@pytest.mark.parametrize(("rule", "activation", "depth"), CASES)
@pytest.mark.parametrize("form", ["rank-one", "dense"])
def test_equals_the_literal_mlp(rule: str, activation: str, depth: int, form: str) -> None:
    inputs = gradients()
    torch.manual_seed(3)
    network = CompatibilityNetwork(
        inputs.size, hidden=6, depth=depth, activation=activation, normalisation=rule
    ).double()
    mlp = literal(network, activation, depth)
    vectors = inputs.dense()
    if rule == "l2":
        vectors = F.normalize(vectors, dim=1)
    elif rule == "layernorm":
        vectors = nn.LayerNorm(inputs.size, eps=0.0, elementwise_affine=False).double()(vectors)

    scores = network(inputs if form == "rank-one" else inputs.dense(), ROWS)
    expected = literal_scores(mlp, vectors)
    torch.testing.assert_close(scores, expected, rtol=1e-11, atol=1e-13)

    direction = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    mine = torch.autograd.grad((scores * direction).sum(), list(network.parameters()))
    theirs = torch.autograd.grad((expected * direction).sum(), list(mlp.parameters()))
    torch.testing.assert_close(torch.cat([mine[0][0], mine[0][1]], dim=1), theirs[0], rtol=1e-10, atol=1e-13)
    for a, b in zip(mine[1:], theirs[1:], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-13)


def test_order_matters() -> None:
    inputs = gradients()
    scores = CompatibilityNetwork(inputs.size).double()(inputs, ROWS)
    assert not torch.allclose(scores, scores.mT)
    assert (scores.diagonal(dim1=1, dim2=2) == 0).all()


def test_initialised_like_a_linear_layer_on_both_inputs() -> None:
    network, like = CompatibilityNetwork(500, hidden=40), nn.Linear(1000, 40)
    assert network.weight.shape == (2, 40, 500)
    bound = float(like.weight.detach().abs().max())
    assert float(network.weight.detach().abs().max()) == pytest.approx(bound, rel=1e-3)
    assert float(network.weight.detach().std()) == pytest.approx(float(like.weight.detach().std()), rel=0.02)
    assert float(network.bias.detach().abs().max()) <= bound * 1.001


def test_mean_of_a_linear_gradient_is_zero_so_layernorm_is_a_factor() -> None:
    inputs = gradients()
    torch.testing.assert_close(inputs.dense().mean(1), torch.zeros(BATCH, dtype=torch.float64), rtol=0, atol=1e-16)
    normed = normalise(inputs, "layernorm")
    assert isinstance(normed, LinearGradients)
    torch.testing.assert_close(normed.dense().var(1, correction=0), torch.ones(BATCH, dtype=torch.float64))


@pytest.mark.parametrize("rule", ["l2", "layernorm"])
def test_normalisation_undoes_the_shrinking_of_gradients_and_survives_zero(rule: str) -> None:
    inputs = gradients()
    tiny = LinearGradients(inputs.delta.float() * 1e-7, inputs.codes.float())
    expected = normalise(LinearGradients(inputs.delta.float(), inputs.codes.float()), rule).dense()
    torch.testing.assert_close(normalise(tiny, rule).dense(), expected)
    torch.testing.assert_close(normalise(tiny.dense(), rule), expected)
    zero = LinearGradients(torch.zeros(2, 3), torch.ones(2, 4))
    assert (normalise(zero, rule).dense() == 0).all()
    assert (normalise(zero.dense(), rule) == 0).all()


def test_codes_and_nonlinear_heads_go_through_the_dense_form() -> None:
    classifier = nn.Sequential(nn.Linear(FEATURES, 3), nn.ReLU(), nn.Linear(3, CLASSES)).double()
    inputs = gradients()
    dense = classifier_gradients(classifier, inputs.codes, torch.zeros(BATCH, dtype=torch.int64))
    for vectors in (dense, inputs.codes):
        network = CompatibilityNetwork(vectors.shape[1], hidden=6).double()
        torch.testing.assert_close(network(vectors, ROWS), literal_scores(literal(network, "tanh", 2), vectors))


def test_no_groups_no_scores() -> None:
    inputs = gradients()
    network = CompatibilityNetwork(inputs.size, hidden=6).double()
    for vectors in (inputs, inputs.dense()):
        assert network(vectors, ROWS[:0]).shape == (0, 3, 3)


def test_another_classifiers_gradients_are_refused() -> None:
    inputs = gradients()
    with pytest.raises(InputError, match="have 24 coordinates, but this compatibility score was built for 30"):
        CompatibilityNetwork(30).double()(inputs, ROWS)


def test_weight_gradient_norm_needs_no_weight_gradient() -> None:
    inputs = gradients()
    network = CompatibilityNetwork(inputs.size, hidden=6).double()
    for vectors in (inputs, inputs.dense()):
        first, position = network.first_layer(vectors, ROWS)
        score = network.pair_scores(first, position).square().sum()
        slope, weight = torch.autograd.grad(score, [first.products, network.weight])
        torch.testing.assert_close(first.weight_gradient_norm(slope), weight.norm())


class _Sizes(TorchDispatchMode):
    """Elements of the tensors that operations make (views count as what they show)."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[int] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and not func.is_view:
            self.made.append(result.numel())
        return result


def test_domainnet_fits_and_is_fast() -> None:
    # 5 sources x 32 images, 345 classes, 2,048 features: the gradients would be 160 x 706,905 numbers.
    classes, features, batch, n = 345, 2048, 160, 5
    generator = torch.Generator().manual_seed(0)
    inputs = LinearGradients(
        torch.randn(batch, classes, generator=generator) / 100, torch.rand(batch, features, generator=generator)
    )
    rows = torch.arange(batch).reshape(n, 32).T
    network = CompatibilityNetwork(inputs.size)
    start = time.process_time()
    with _Sizes() as sizes:
        network(inputs, rows).square().sum().backward()
    seconds = time.process_time() - start
    weight = network.weight.numel()
    assert network.weight.grad is not None
    # The weight's gradient itself (into which two products are written), and beside it only small things.
    large = [size for size in sizes.made if size > 2 * 64 * classes * batch]
    assert weight < batch * inputs.size
    assert max(large) == weight
    assert large.count(weight) == 1
    assert seconds < 3, seconds
