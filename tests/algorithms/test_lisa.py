"""LISA: partners one image at a time, and updates by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from small import BATCH, SOURCES, assert_moved_by, batch, made, network, run, weights

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.inputs.cutmix import box
from landscape.algorithms.inputs.lisa import partners
from landscape.seeding import numpy_generator, torch_generator


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.booleans(), st.integers(0, 1000))
def test_partners_one_image_at_a_time(domains: int, size: int, classes: int, same_class: bool, seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=(domains, size))
    scores = generator.random((domains * size, domains * size))
    found = partners(torch.from_numpy(labels), torch.from_numpy(scores), same_class=same_class)
    for i in range(domains * size):
        best, expected = -1.0, i
        for j in range(domains * size):
            alike = labels.flat[i] == labels.flat[j]
            close = i // size == j // size
            if (alike and not close if same_class else close and not alike) and scores[i, j] > best:
                best, expected = scores[i, j], j
        assert found[i] == expected


@pytest.mark.parametrize("same_class", [0.0, 1.0])
@pytest.mark.parametrize("mix", ["cutmix", "mixup"])
def test_an_update_mixes_in_both_orders(mix: str, same_class: float) -> None:
    net, minibatch, count = network(), batch(), SOURCES * BATCH
    before = weights(net)
    draws = numpy_generator(0, "algorithm", 1, "lisa")
    draws.random()
    scores = torch.rand(count, count, generator=torch_generator(0, "algorithm", 1, "pairs"))
    partner = partners(minibatch.labels, scores, same_class=bool(same_class))
    images, labels = minibatch.images.flatten(0, 1), minibatch.labels.flatten()
    stays = torch.ones(count, 1, 2, 2)
    if mix == "cutmix":
        share = 1 - draws.beta(2.0, 2.0)
        stays[:, :, *box(2, 2, share, (int(draws.integers(2)), int(draws.integers(2))))] = 0
    else:
        stays *= torch.from_numpy(draws.beta(2.0, 2.0, count)).float().view(-1, 1, 1, 1)
    own = stays.mean((1, 2, 3))
    losses = []
    for a, b in ((torch.arange(count), partner), (partner, torch.arange(count))):
        logits = net(stays * images[a] + (1 - stays) * images[b])
        mine, theirs = (F.cross_entropy(logits, labels[each], reduction="none") for each in (a, b))
        losses.append((own * mine + (1 - own) * theirs).mean())
    loss = (losses[0] + losses[1]) / 2
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    options = METHODS["lisa"].options(mix=mix, same_class=same_class)
    metrics = made(net, run("lisa", options=options)).update(minibatch, 1)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    assert float(metrics["unpaired"]) == pytest.approx(np.mean(partner.numpy() == np.arange(count)))
    assert_moved_by(before, net, gradients)


def test_a_class_of_one_domain_is_left_as_it_is() -> None:
    net, labels = network(), torch.zeros(SOURCES, BATCH, dtype=torch.int64)
    labels[0] = 1
    minibatch = batch(labels)
    options = METHODS["lisa"].options(mix="mixup")
    metrics = made(net, run("lisa", options=options)).update(minibatch, 1)
    assert float(metrics["unpaired"]) == pytest.approx(1 / SOURCES)
