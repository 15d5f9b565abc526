"""CutMix: its boxes, pixel by pixel, and an update by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from small import BATCH, SOURCES, assert_moved_by, batch, made, network, run, weights

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.inputs.cutmix import box, drawn_box, pasted
from landscape.data import Minibatch
from landscape.seeding import numpy_generator


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.floats(0, 0.999), st.floats(0, 0.999))
def test_a_box_is_inside_and_no_larger_than_its_share(
    height: int, width: int, share: float, v: float, h: float
) -> None:
    rows, columns = box(height, width, share, (int(v * height), int(h * width)))
    assert 0 <= rows.start <= rows.stop <= height
    assert 0 <= columns.start <= columns.stop <= width
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    assert area <= share * height * width + 1e-9


def test_pixels_and_labels_are_shared_by_area() -> None:
    images = torch.randn(2, 3, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 1, 2], [2, 1, 0]])
    partner, where = torch.tensor([3, 1, 5, 0, 2, 4]), (slice(1, 4), slice(5, 7))
    mixed = pasted(Minibatch(images, labels, np.zeros((2, 3))), partner, where, 3)
    flat, own = images.flatten(0, 1), labels.flatten()
    for i, other in enumerate(partner.tolist()):
        expected, count = np.zeros(3), 0
        for v in range(5):
            for h in range(7):
                source = other if 1 <= v < 4 and 5 <= h < 7 else i
                count += 1
                expected[own[source]] += 1
                assert torch.equal(mixed.images.flatten(0, 1)[i, :, v, h], flat[source, :, v, h])
        np.testing.assert_allclose(mixed.labels.flatten(0, 1)[i], expected / count, atol=1e-6)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_an_update_weighs_the_losses_by_area(probability: float) -> None:
    net, minibatch = network(), batch()
    before = weights(net)
    draws = numpy_generator(0, "algorithm", 1, "cutmix")
    draws.random()
    partner, where = torch.from_numpy(draws.permutation(SOURCES * BATCH)), drawn_box(minibatch, 1.0, draws)
    images, labels = minibatch.images.flatten(0, 1), minibatch.labels.flatten()
    mixed = images.clone()
    if probability:
        mixed[:, :, where[0], where[1]] = images[partner][:, :, where[0], where[1]]
    area = torch.zeros(2, 2)
    area[where] = 1
    share = 1 - area.mean() * probability
    logits = net(mixed)
    loss = share * F.cross_entropy(logits, labels) + (1 - share) * F.cross_entropy(logits, labels[partner])
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    metrics = made(net, run("cutmix", options=METHODS["cutmix"].options(probability=probability))).update(minibatch, 1)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    assert_moved_by(before, net, gradients)
