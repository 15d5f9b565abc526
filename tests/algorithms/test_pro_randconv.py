"""Pro-RandConv: its block by loops over pixels, its random fields, and an update by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import assert_moved_by, batch, made, network, run, weights

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.inputs.pro_randconv import drawn, smooth
from landscape.seeding import numpy_generator


def at(image: np.ndarray, v: float, h: float) -> float:
    """Bilinear, with zeros around the image."""
    total, top, left = 0.0, math.floor(v), math.floor(h)
    for y in (top, top + 1):
        for x in (left, left + 1):
            if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                total += (1 - abs(v - y)) * (1 - abs(h - x)) * image[y, x]
    return total


def test_a_block_one_pixel_at_a_time() -> None:
    generator = np.random.default_rng(0)
    block = drawn(METHODS["pro-randconv"].options(deformation=2.0), (4, 5), generator)
    images = torch.from_numpy(generator.standard_normal((2, 3, 4, 5)))
    offsets = block.offsets.numpy().reshape(9, 2, 4, 5)
    result = block(images)
    for i in range(2):
        for out in range(3):
            maps = np.zeros((4, 5))
            for v, h in np.ndindex(4, 5):
                for k, (a, b) in enumerate(np.ndindex(3, 3)):
                    down, right = offsets[k, :, v, h]
                    for c in range(3):
                        value = at(images[i, c].numpy(), v + a - 1 + down, h + b - 1 + right)
                        maps[v, h] += float(block.kernel[out, c, a, b]) * value
            normal = (maps - maps.mean()) / np.sqrt(maps.var() + 1e-5)
            expected = np.tanh(float(block.gamma[out]) * normal + float(block.beta[out]))
            np.testing.assert_allclose(result[i, out], expected, atol=1e-9)


@pytest.mark.parametrize("width", [0.0, 1.0, 3.0])
def test_smooth_noise_keeps_its_variance(width: float) -> None:
    noise = np.random.default_rng(0).standard_normal((2000, 12, 8))
    field = smooth(noise, width)
    assert field.var() == pytest.approx(1, abs=0.1)
    if width == 0:
        np.testing.assert_allclose(field, noise, atol=1e-12)
    else:
        assert np.mean(field[:, 1:] * field[:, :-1]) == pytest.approx(np.exp(-1 / (4 * width**2)), abs=0.1)


def test_an_update_adds_two_losses() -> None:
    net, minibatch = network(), batch()
    before = weights(net)
    options = METHODS["pro-randconv"].options(repeats=3)
    draws = numpy_generator(0, "algorithm", 2, "pro-randconv")
    times = int(draws.integers(1, 4))
    block = drawn(options, (2, 2), draws)
    images, labels = minibatch.images.flatten(0, 1), minibatch.labels.flatten()
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (net.mean, net.std))
    changed = (images * std + mean) * 2 - 1
    for _ in range(times):
        changed = block(changed)
    changed = (changed / 2 + 0.5 - mean) / std
    loss = F.cross_entropy(net(images), labels) + F.cross_entropy(net(changed), labels)
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    metrics = made(net, run("pro-randconv", options=options)).update(minibatch, 2)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    assert_moved_by(before, net, gradients)
