"""Curvature against dense Hessians by automatic differentiation, and against closed forms."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, jacrev

from landscape.errors import InputError
from landscape.flatness import Curvature, spectrum
from landscape.flatness.head import head_curvature

CLASSES, WIDTH = 3, 4


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(WIDTH, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.4), nn.Linear(6, CLASSES)
    ).double()


@pytest.fixture
def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(n, WIDTH, generator=generator).double(), torch.randint(0, CLASSES, (n,), generator=generator))
        for n in (16, 9)
    ]


@pytest.fixture(params=["dense", "matrix-free"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "matrix-free":
        monkeypatch.setattr(spectrum, "DENSE_LIMIT", 2)
        monkeypatch.setattr("landscape.flatness.head.DENSE_LIMIT", 2)
    return request.param


def written(network: nn.Module, batches, matrix: str = "hessian") -> np.ndarray:
    """The whole matrix, by reverse mode twice, or from the definition of the GGN."""
    network.eval()
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    shapes = {name: p.shape for name, p in network.named_parameters()}
    theta = torch.cat([p.detach().reshape(-1) for p in network.parameters()])

    def logits(vector: torch.Tensor) -> torch.Tensor:
        parts = vector.split([shape.numel() for shape in shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        return functional_call(network, named, (x,))

    if matrix == "hessian":
        return jacrev(jacrev(lambda vector: F.cross_entropy(logits(vector), y)))(theta).numpy()
    jacobian = jacrev(logits)(theta).numpy()
    p = torch.softmax(logits(theta), 1).detach().numpy()
    return sum(j.T @ (np.diag(q) - np.outer(q, q)) @ j for j, q in zip(jacobian, p, strict=True)) / len(p)


@pytest.mark.parametrize("matrix", ["hessian", "ggn"])
def test_it_equals_the_dense_matrix(network, batches, matrix, way) -> None:
    found = Curvature.measure(
        network, nn.CrossEntropyLoss(), batches, matrix=matrix, top=4, trace_vectors=30, density=True, tolerance=1e-10
    )
    dense = written(network, batches, matrix)
    values = np.linalg.eigvalsh(dense)
    np.testing.assert_allclose(found.eigenvalues, values[::-1][:4], rtol=1e-8)
    assert found.smallest == pytest.approx(values[0], abs=1e-8 if way == "dense" else 1e-3 * np.ptp(values))
    assert (found.residuals < 1e-6).all()
    assert (found.method, found.parameters, found.examples) == (way, len(dense), 25)
    if way == "dense":
        assert found.trace == pytest.approx(np.trace(dense), rel=1e-10)
        assert found.trace_error == 0
    else:
        assert 0 < found.trace_error < 0.2 * np.trace(dense)
        assert abs(found.trace - np.trace(dense)) < 4 * found.trace_error
    # The density integrates to one, and its mean is the trace over the number of parameters.
    grid, heights = found.density
    assert np.trapezoid(heights, grid) == pytest.approx(1, abs=0.02)
    mean, spread = np.trace(dense) / len(dense), values.std()
    assert np.trapezoid(heights * grid, grid) == pytest.approx(mean, abs=0.05 * spread if way == "dense" else spread)


def test_the_trace_error_covers_the_truth(network, batches) -> None:
    truth = np.trace(written(network, batches))
    parameters = list(network.parameters())
    with spectrum.operator_of(network, nn.CrossEntropyLoss(), parameters, batches, matrix="hessian", check=False) as h:
        found = [spectrum.estimated_trace(h, vectors=20, seed=seed) for seed in range(12)]
        assert spectrum.estimated_trace(h, vectors=20, seed=3) == found[3]
    # A t statistic with 19 degrees of freedom.
    assert sum(abs(value - truth) < 2.1 * error for value, error in found) >= 9
    assert len(set(found)) == 12


def test_least_squares_has_a_closed_form() -> None:
    torch.manual_seed(0)
    model = nn.Linear(5, 2, bias=False).double()
    x, y = torch.randn(20, 5).double(), torch.randn(20, 2).double()
    found = Curvature.measure(model, nn.MSELoss(), [(x, y)], top=3)
    # L = |W x - y|^2 / (2 outputs): H = I_2 (x) X'X / N.
    values = np.repeat(np.linalg.eigvalsh((x.T @ x / 20).numpy()), 2)[::-1]
    np.testing.assert_allclose(found.eigenvalues, values[:3], rtol=1e-10)
    assert found.trace == pytest.approx(values.sum(), rel=1e-10)


def test_a_linear_classifier_has_a_closed_form(way) -> None:
    torch.manual_seed(0)
    classifier, codes, labels = nn.Linear(7, CLASSES), 3 * torch.randn(40, 7), torch.randint(0, CLASSES, (40,))
    exact = nn.Linear(7, CLASSES).double()
    exact.load_state_dict({name: p.double() for name, p in classifier.state_dict().items()})
    dense = written(exact, [(codes.double(), labels)])
    values = np.linalg.eigvalsh(dense)
    for matrix in ("hessian", "ggn"):
        found = head_curvature(classifier, codes, labels, matrix=matrix, top=5, density=True)
        np.testing.assert_allclose(found.eigenvalues, values[::-1][:5], rtol=1e-8)
        assert found.trace == pytest.approx(values.sum(), rel=1e-10)
        assert found.smallest == pytest.approx(0, abs=1e-10)
        assert (found.trace_error, found.scope, found.method) == (0.0, "classifier", "closed form")
        assert np.trapezoid(found.density[1], found.density[0]) == pytest.approx(1, abs=0.02)
    assert classifier.weight.dtype == torch.float32


def test_any_other_classifier_is_differentiated() -> None:
    torch.manual_seed(0)
    classifier = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, CLASSES))
    codes, labels = torch.randn(20, 4), torch.randint(0, CLASSES, (20,))
    found = head_curvature(classifier, codes, labels, top=2)
    exact = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, CLASSES)).double()
    exact.load_state_dict({name: p.double() for name, p in classifier.state_dict().items()})
    dense = written(exact, [(codes.double(), labels)])
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(dense)[::-1][:2], rtol=1e-8)
    assert (found.scope, found.method) == ("classifier", "dense")


def test_the_module_comes_back_as_it_was(network, batches) -> None:
    network.train()
    network[0].eval()
    network[4].bias.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    Curvature.measure(network, nn.CrossEntropyLoss(), batches, top=1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert [part.training for part in network] == [False, True, True, True, True]
    assert network.training
    assert [p.requires_grad for p in network.parameters()] == [True] * 5 + [False]
    assert all(p.grad is None for p in network.parameters())


def test_the_classifier_of_a_module(network, batches) -> None:
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.featurizer, self.classifier = network[:4], network[4]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classifier(self.featurizer(x))

    parts = Parts().eval()
    found = Curvature.measure(parts, nn.CrossEntropyLoss(), batches, scope="classifier")
    x, y = (torch.cat(each) for each in zip(*batches, strict=True))
    codes = parts.featurizer(x).detach()
    closed = head_curvature(parts.classifier, codes, y)
    np.testing.assert_allclose(found.eigenvalues, closed.eigenvalues, rtol=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matrix": "fisher"}, "unknown matrix 'fisher'"),
        ({"top": 0}, "got 0 eigenvalues"),
        ({"trace_vectors": 1}, "1 vectors"),
        ({"scope": "classifier"}, "no parameters in the scope 'classifier'"),
    ],
)
def test_mistakes_are_one_sentence(network, batches, options, message) -> None:
    with pytest.raises(InputError, match=message):
        Curvature.measure(network, nn.CrossEntropyLoss(), batches, **options)


def test_a_random_loss_and_no_data_are_refused(network, batches) -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(WIDTH, CLASSES).double()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x + torch.randn_like(x))

    with pytest.raises(InputError, match="or is random"):
        Curvature.measure(Noisy(), nn.CrossEntropyLoss(), batches)
    with pytest.raises(InputError, match="got no batches"):
        Curvature.measure(network, nn.CrossEntropyLoss(), [])
    with pytest.raises(InputError, match="not finite"):
        Curvature.measure(network, nn.CrossEntropyLoss(), [(batches[0][0] * np.inf, batches[0][1])], check=False)


@pytest.mark.parametrize("fits", [8, 3, 0])
def test_batches_that_do_not_fit_are_halved(network, batches, fits: int) -> None:
    options = {"top": 2, "trace_vectors": 2}
    whole = Curvature.measure(network, nn.CrossEntropyLoss(), batches, **options)
    network[0].register_forward_pre_hook(lambda _, inputs: _fill_memory(inputs[0], fits))
    if fits == 0:
        with pytest.raises(InputError, match="even for one example"):
            Curvature.measure(network, nn.CrossEntropyLoss(), batches, check=False, **options)
        return
    small = Curvature.measure(network, nn.CrossEntropyLoss(), batches, check=False, **options)
    np.testing.assert_allclose(small.eigenvalues, whole.eigenvalues, rtol=1e-10)
    assert small.examples == 25
    halvings = [f"out of memory with {n} images a batch: went on with {(n + 1) // 2}" for n in (16, 8, 4)]
    assert [note.removeprefix("curvature: ") for note in small.about["notes"]] == halvings[: {8: 1, 3: 3}[fits]]
    assert "notes" not in whole.about


def _fill_memory(inputs: torch.Tensor, fits: int) -> None:
    if len(inputs) > fits:
        raise torch.OutOfMemoryError("out of memory")
