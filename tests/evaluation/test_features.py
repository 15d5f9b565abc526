"""Features kept once against the ordinary path, and batch norm recomputed against PyTorch's own."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from landscape.data import normalise
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.evaluation.features import FrozenFeatures
from landscape.evaluation.statistics import Statistics
from landscape.models import build_network

K, SIDE, N = 3, 32, 37


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8), rng.integers(0, K, N)


def make(head="linear"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_network("small_cnn", num_classes=K, weights="none", batch_norm="frozen", head=head)


def head_directions(network):
    generator = torch.Generator().manual_seed(1)
    return [
        {
            name: torch.randn(p.shape, generator=generator) * float(name.startswith("classifier."))
            for name, p in network.named_parameters()
        }
        for _ in range(2)
    ]


@pytest.mark.parametrize("head", ["linear", "nonlinear"])
@pytest.mark.parametrize("announced", [True, False])
def test_points_of_the_classifier_equal_the_ordinary_path(data, head, announced):
    network = make(head)
    e1, e2 = head_directions(network)
    origin = dict(network.named_parameters())
    assert FrozenFeatures.fits((e1, e2))
    kept = FrozenFeatures(Evaluator(network, *data), origin, (e1, e2))
    ordinary = Evaluator(network, *data)
    span, other = kept._evaluator.span(origin, e1, e2), ordinary.span(origin, e1, e2)
    points = [(x, y) for y in (-1.0, 0.0, 0.7) for x in (0.0, 0.4, 2.0)]
    if announced:
        kept.expect(points)
    for x, y in points:
        got, expected = kept.at(span.point(x, y), codes=True), ordinary.at(other.point(x, y), codes=True)
        np.testing.assert_allclose(got.loss, expected.loss, rtol=2e-5, atol=1e-6)
        assert got.correct.tolist() == expected.correct.tolist()
        torch.testing.assert_close(kept.classifier(got.codes), ordinary.classifier(expected.codes))


def test_one_pass_over_the_images_serves_all_points(data):
    network = make()
    e1, e2 = head_directions(network)
    evaluator = Evaluator(network, *data)
    passes = []
    kept = FrozenFeatures(evaluator, dict(network.named_parameters()), (e1, e2))
    evaluator.network.featurizer.register_forward_hook(lambda *_: passes.append(1))
    span = evaluator.span(dict(network.named_parameters()), e1, e2)
    for x in range(5):
        kept.at(span.point(x, -x))
    assert passes == []
    kept.at(dict(network.named_parameters()))  # whole weights go the ordinary way
    assert passes == [1]


def test_a_direction_that_moves_the_featurizer_is_refused(data):
    network = make()
    e1, e2 = head_directions(network)
    name = next(iter(e1))
    e2[name] = e2[name] + 1
    assert not FrozenFeatures.fits((e1, e2))
    with pytest.raises(InputError, match=f"{name}' changes between the points"):
        FrozenFeatures(Evaluator(network, *data), dict(network.named_parameters()), (e1, e2))


def with_batch_norm():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3, 2), nn.BatchNorm2d(5), nn.Flatten()
        ).eval()


COLOURS = {"mean": (0.5,) * 3, "std": (0.3,) * 3}


@pytest.mark.parametrize("batch_size", [100, 6])
def test_recomputed_statistics_equal_pytorchs(data, batch_size):
    pixels, _ = data
    network, rows = with_batch_norm(), np.arange(0, 36, 2)
    given = copy.deepcopy(network.state_dict())
    weights = {name: 1.3 * p.detach() for name, p in network.named_parameters()}
    buffers = Statistics(network, pixels, rows, batch_size=batch_size, **COLOURS).at(weights)
    expected = copy.deepcopy(network)
    expected.load_state_dict(weights, strict=False)
    mixed = np.random.default_rng(0).permutation(rows)
    parts = np.split(mixed, 18 // min(batch_size, 18))
    update_bn([normalise(pixels[part], *COLOURS.values()) for part in parts], expected)
    assert set(buffers) == {f"{layer}.running_{what}" for layer in (1, 4) for what in ("mean", "var")}
    for name, buffer in buffers.items():
        torch.testing.assert_close(buffer, expected.state_dict()[name], rtol=1e-4, atol=1e-5)
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in given.items())
    # The same weights again: the same statistics, whatever was computed in between.
    again = Statistics(network, pixels, rows, batch_size=batch_size, **COLOURS)
    again.at(dict(network.named_parameters()))
    assert all(torch.equal(buffer, again.at(weights)[name]) for name, buffer in buffers.items())


def test_frozen_batch_norm_is_recomputed_all_the_same(data):
    network = make()
    buffers = Statistics(network, data[0], np.arange(N), mean=network.mean, std=network.std).at(
        dict(network.named_parameters())
    )
    assert len(buffers) == 8
    assert not any(torch.equal(buffer, network.state_dict()[name]) for name, buffer in buffers.items())


def test_nothing_to_recompute_is_said(data):
    pixels, _ = data
    with pytest.raises(InputError, match="no batch norm with running statistics"):
        Statistics(nn.Flatten(), pixels, np.arange(4), **COLOURS)
    with pytest.raises(InputError, match="got 1 training images"):
        Statistics(make(), pixels, np.arange(1), **COLOURS)
