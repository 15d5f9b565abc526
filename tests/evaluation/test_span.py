"""Points written in place against weights built in float64, and what else the evaluation core promises."""

import numpy as np
import pytest
import torch
from torch import nn

from landscape.data import normalise
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.evaluation.residency import ResidentImages
from landscape.models import build_network

K, SIDE, N = 3, 32, 37


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8), rng.integers(0, K, N)


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = build_network("small_cnn", num_classes=K, weights="none", batch_norm="frozen")
        for name, buffer in made.named_buffers():
            if "running" in name:
                buffer.copy_(torch.rand_like(buffer) + 0.5)
    return made


def directions(network, count=2):
    generator = torch.Generator().manual_seed(1)
    return [
        {
            name: 0.05 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
            for name, p in network.named_parameters()
        }
        for _ in range(count)
    ]


def at(network, e1, e2, x, y):
    return {name: p.detach().double() + x * e1[name] + y * e2[name] for name, p in network.named_parameters()}


@pytest.mark.parametrize(("precision", "rtol"), [("fp64", 1e-12), ("fp32", 2e-5)])
@pytest.mark.parametrize("fold", [True, False])
def test_a_point_equals_its_weights_whatever_came_before(data, network, precision, rtol, fold):
    e1, e2 = directions(network)
    evaluator = Evaluator(network, *data, precision=precision, fold=fold)
    span = evaluator.span(dict(network.named_parameters()), e1, e2)
    exact = Evaluator(network, *data, precision="fp64")
    first = {}
    # Along a row, to another row and back: the cached base must follow.
    for x, y in [(0.0, 0.0), (0.5, 0.0), (0.5, -1.0), (2.0, -1.0), (0.5, 0.0)]:
        got = evaluator.at(span.point(x, y), codes=True)
        np.testing.assert_allclose(got.loss, exact.at(at(network, e1, e2, x, y)).loss, rtol=rtol)
        evaluator.at()  # somebody else's weights in between
        assert first.setdefault((x, y), got.loss.tolist()) == got.loss.tolist()


def test_a_line_has_one_direction(data, network):
    (e1,) = directions(network, 1)
    evaluator = Evaluator(network, *data, precision="fp64")
    span = evaluator.span(dict(network.named_parameters()), e1)
    expected = Evaluator(network, *data, precision="fp64").at(at(network, e1, e1, 0.7, 0.0))
    np.testing.assert_allclose(evaluator.at(span.point(0.7)).loss, expected.loss, rtol=1e-12)


def test_a_span_of_another_network_is_refused(data, network):
    other = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, K))
    weights = dict(other.named_parameters())
    span = Evaluator(other, *data).span(weights, weights)
    with pytest.raises(InputError, match="belongs to the span of another network"):
        Evaluator(network, *data).at(span.point(0.0))
    with pytest.raises(InputError, match="these weights lack"):
        Evaluator(network, *data).span(weights, weights)


def test_the_directions_are_held_once_in_the_networks_precision(network, data):
    e1, e2 = directions(network)
    span = Evaluator(network, *data).span(dict(network.named_parameters()), e1, e2)
    held = [span._origin, span._e1, span._e2, span._row]
    numbers = sum(p.numel() for p in network.parameters())
    # Four float32 copies beside the network's own; only vectors of single channels are float64.
    assert sum(t.numel() * t.element_size() for each in held for t in each.values()) < 4 * 4 * numbers * 1.02


def test_resident_images_are_normalised_as_everywhere(data):
    pixels, _ = data
    rows, mean, std = np.array([5, 1, 30]), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    got = ResidentImages(pixels, rows, torch.device("cpu"), mean, std).batch(0, 3)
    expected = normalise(pixels[rows], mean, std)
    assert torch.equal(got, expected)
    assert got.is_contiguous(memory_format=torch.channels_last)


class Hungry(nn.Module):
    """Has no room for more than `room` images."""

    def __init__(self, room):
        super().__init__()
        self.room, self.tried = room, []
        self.linear = nn.Linear(3 * SIDE * SIDE, K)

    def forward(self, images):
        self.tried.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return self.linear(images.flatten(1))


def test_out_of_memory_halves_the_batch_and_goes_on(data):
    hungry = Hungry(9)
    evaluator = Evaluator(hungry, *data, batch_size=32)
    got = evaluator.at()
    hungry.room = 100
    np.testing.assert_allclose(got.loss, Evaluator(hungry, *data, batch_size=N).at().loss, rtol=1e-5)
    assert evaluator.batch_size == 8
    assert evaluator.network.tried == [32, 16, 8, 8, 8, 8, 5]
    assert evaluator.notes == [
        "out of memory with 32 images a forward pass: went on with 16",
        "out of memory with 16 images a forward pass: went on with 8",
    ]
    with pytest.raises(InputError, match="one image of 32 px does not fit into the memory of cpu"):
        Evaluator(Hungry(0), *data).at()


def test_other_errors_are_not_taken_for_full_memory(data):
    class Broken(nn.Module):
        def forward(self, images):
            raise RuntimeError("sizes do not match")

    with pytest.raises(RuntimeError, match="sizes do not match"):
        Evaluator(Broken(), *data).at()


@pytest.fixture
def quick_compiler(monkeypatch):
    """torch.compile without a code generator: traces, guards and recompilations stay real."""
    made = []

    def counting(graph, _):
        made.append(graph)
        return graph.forward

    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: original(function, backend=counting, **options))
    monkeypatch.setattr("landscape.evaluation.evaluator.can_compile", lambda device: True)
    torch._dynamo.reset()
    return made


@pytest.mark.parametrize("codes", [True, False])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_once_for_all_points_and_batches(data, network, quick_compiler, codes):
    e1, e2 = directions(network)
    evaluator = Evaluator(network, *data, batch_size=8, compiled=True)
    plain = Evaluator(network, *data)
    span, other = (each.span(dict(network.named_parameters()), e1, e2) for each in (evaluator, plain))
    for x, y in [(0.0, 0.0), (1.0, -1.0), (0.3, 0.2)]:
        got, expected = evaluator.at(span.point(x, y), codes=codes), plain.at(other.point(x, y), codes=codes)
        np.testing.assert_allclose(got.loss, expected.loss, rtol=1e-5)
        if codes:
            torch.testing.assert_close(got.codes, expected.codes)
    assert evaluator.compiled
    assert evaluator.notes == []
    # 37 images in 5 batches of 8, the last one filled up: one graph.
    assert len(quick_compiler) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiler_that_fails_or_lies_is_left(data, network, monkeypatch):
    monkeypatch.setattr("landscape.evaluation.evaluator.can_compile", lambda device: True)
    expected = Evaluator(network, *data).at().loss

    def failing(function, **options):
        def run(images):
            raise ValueError("no compiler today")

        return run

    monkeypatch.setattr(torch, "compile", failing)
    evaluator = Evaluator(network, *data, compiled=True)
    assert evaluator.at().loss.tolist() == expected.tolist()
    assert evaluator.notes == ["the network is not compiled: torch.compile failed (ValueError: no compiler today)"]
    monkeypatch.setattr(torch, "compile", lambda function, **options: lambda images: 1.1 * function(images))
    evaluator = Evaluator(network, *data, compiled=True)
    assert evaluator.at().loss.tolist() == expected.tolist()
    assert "differs by" in evaluator.notes[0]


def test_tf32_needs_cuda(data, network):
    with pytest.raises(InputError, match="tf32 needs a CUDA device"):
        Evaluator(network, *data, precision="tf32", device="cpu")
