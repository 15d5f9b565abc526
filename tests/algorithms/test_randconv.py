"""RandConv: convolutions by loops, the consistency by loops, and an update by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import correlate2d
from small import BATCH, SOURCES, assert_moved_by, batch, made, network, run, weights

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.inputs.randconv import consistency, convolved, drawn
from landscape.errors import InputError
from landscape.seeding import numpy_generator


@pytest.mark.parametrize("size", [1, 3, 5])
def test_convolutions_one_image_and_channel_at_a_time(size: int) -> None:
    generator = np.random.default_rng(0)
    images, kernel = generator.standard_normal((2, 3, 6, 4)), generator.standard_normal((3, 3, size, size))
    result = convolved(torch.from_numpy(images), torch.from_numpy(kernel), 0.3)
    for i in range(2):
        for out in range(3):
            total = sum(correlate2d(images[i, c], kernel[out, c], "same") for c in range(3))
            np.testing.assert_allclose(result[i, out], 0.3 * total + 0.7 * images[i, out], atol=1e-12)


def test_kernels_keep_the_variance_of_independent_pixels() -> None:
    options = METHODS["randconv"].options(mode="image")
    generator = np.random.default_rng(0)
    kernels = [drawn(options, generator)[0] for _ in range(4000)]
    assert {kernel.shape[-1] for kernel in kernels} == {1, 3, 5, 7}
    assert np.mean([float(kernel.square().sum()) / 3 for kernel in kernels]) == pytest.approx(1, abs=0.03)


def test_consistency_is_the_divergence_from_the_mean_answer() -> None:
    logits = torch.randn(3, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for d in range(2):
        for b in range(4):
            p = np.stack([np.exp(row) / np.exp(row).sum() for row in logits[:, d, b].numpy()])
            total += sum((row * np.log(row / p.mean(0))).sum() for row in p) / 3
    assert float(consistency(logits)) == pytest.approx(total / 8)
    assert float(consistency(logits[:1].expand(3, -1, -1, -1))) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("mode", "original", "clamp"), [("mix", 0.5, False), ("image", 1.0, True), ("image", 0.0, False)]
)
def test_an_update_has_three_passes(mode: str, original: float, clamp: bool) -> None:
    net, minibatch = network(), batch()
    before = weights(net)
    options = METHODS["randconv"].options(mode=mode, original=original, weight=0.7, clamp=clamp)
    draws = numpy_generator(0, "algorithm", 2, "randconv")
    images, labels = minibatch.images.flatten(0, 1), minibatch.labels.flatten()
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (net.mean, net.std))
    answers = []
    for version in range(3):
        changed = images
        if not (mode == "image" and version == 0 and draws.random() < original):
            changed = convolved(images, *drawn(options, draws))
        if clamp:
            changed = ((changed * std + mean).clamp(0, 1) - mean) / std
        answers.append(net(changed))
    alike = consistency(torch.stack(answers)[:, None])
    loss = F.cross_entropy(answers[0], labels)
    gradients = torch.autograd.grad(loss + 0.7 * alike, list(net.parameters()))
    metrics = made(net, run("randconv", options=options)).update(minibatch, 2)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    torch.testing.assert_close(metrics["loss_consistency"], alike.detach())
    assert_moved_by(before, net, gradients)
    assert len(images) == SOURCES * BATCH


def test_kernels_have_a_middle() -> None:
    for kernels in ((2, 3), ()):
        with pytest.raises(InputError, match="expected odd sizes"):
            made(network(), run("randconv", options=METHODS["randconv"].options(kernels=kernels)))
