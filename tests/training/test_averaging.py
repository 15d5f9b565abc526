"""Batch norm of an average: its statistics against those of all images at once, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.data import DomainImages, Split, Task, normalise
from landscape.models import Network
from landscape.training.averaging import WeightAverage

CLASSES = ("dark", "dim", "bright")


def sorted_task(count: int) -> Task:
    """So many training images of one source, stored class by class; a class is as bright as its place."""
    rng = np.random.default_rng(0)
    labels = np.sort(np.arange(count + 2) % 3)
    domain = np.r_[np.zeros(count, dtype=np.int64), 1, 1]
    pixels = (rng.integers(0, 40, (count + 2, 8, 8, 3)) + 70 * labels[:, None, None, None]).astype(np.uint8)
    names = tuple(map(str, range(count + 2)))
    images = DomainImages("sorted", ("one", "two"), CLASSES, pixels, labels, domain, names, None, (), "-")
    return Task(images, Split(np.zeros(count + 2, dtype=bool), "random", 0, "-"), "two")


@pytest.fixture
def average() -> WeightAverage:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(4), nn.Dropout(0.5))
        featurizer = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), *pooled)
        network = Network(featurizer, nn.Linear(4, 3), feature_dim=4, num_classes=3, batch_norm="train")
    average = WeightAverage(network, start=1)
    average.update(network, 1)
    return average


@pytest.fixture
def convolved(average: WeightAverage) -> Callable[[Task], Tensor]:
    """What the first batch norm sees, in float64."""
    layer = average.network.featurizer[0]  # type: ignore[index]

    def of(task: Task) -> Tensor:
        images = normalise(task.images.pixels[task.source_rows("in")], average.network.mean, average.network.std)
        return F.conv2d(images.double(), layer.weight.double(), layer.bias.double())

    return of


def test_statistics_are_those_of_all_images_at_once(
    average: WeightAverage, convolved: Callable[[Task], Tensor]
) -> None:
    # Batches of 64 would leave one image over, which batch norm over features refuses.
    task = sorted_task(129)
    average.recompute_batch_norm(task)
    x = convolved(task)
    layers = average.network.featurizer
    found = {index: (layers[index].running_mean, layers[index].running_var) for index in (1, 5)}  # type: ignore[index]
    normal = (x - x.mean((0, 2, 3), keepdim=True)) / torch.sqrt(x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5)
    z = normal.relu().mean((2, 3))
    for index, expected in ((1, (x.mean((0, 2, 3)), x.var((0, 2, 3)))), (5, (z.mean(0), z.var(0)))):
        for got, value in zip(found[index], expected, strict=True):
            torch.testing.assert_close(got.double(), value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [257, 321, 1025])
def test_batches_hold_some_of_every_class(
    average: WeightAverage, convolved: Callable[[Task], Tensor], count: int
) -> None:
    task = sorted_task(count)
    average.recompute_batch_norm(task)
    x = convolved(task)
    norm = average.network.featurizer[1]  # type: ignore[index]
    torch.testing.assert_close(norm.running_mean.double(), x.mean((0, 2, 3)), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(norm.running_var.double(), x.var((0, 2, 3)), rtol=0.02, atol=0)
    # In stored order a batch is of one class, and of some channels most of the spread is between classes.
    batches = [part.var((0, 2, 3)) for part in x.split(64) if len(part) > 1]
    assert float((torch.stack(batches).mean(0) / x.var((0, 2, 3))).min()) < 0.5


def test_the_average_keeps_its_weights_and_modes(average: WeightAverage) -> None:
    weights = {name: tensor.clone() for name, tensor in average.network.named_parameters()}
    modes = [part.training for part in average.network.modules()]
    drawn = torch.get_rng_state()
    average.recompute_batch_norm(sorted_task(40))
    assert all(torch.equal(weights[name], tensor) for name, tensor in average.network.named_parameters())
    assert modes == [part.training for part in average.network.modules()]
    assert torch.equal(drawn, torch.get_rng_state())


def test_a_network_without_batch_norm_is_left_alone() -> None:
    network = Network(nn.Flatten(), nn.Linear(192, 3), feature_dim=192, num_classes=3, batch_norm="train")
    average = WeightAverage(network, start=1)
    average.recompute_batch_norm(sorted_task(1))
    assert all(torch.equal(a, b) for a, b in zip(average.network.parameters(), network.parameters(), strict=True))
