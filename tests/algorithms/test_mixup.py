"""Mixup: its ring, its mixtures image by image, and an update by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from small import BATCH, CLASSES, SOURCES, assert_moved_by, batch, made, network, run, weights

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.inputs.mixup import mixed_batch, ring
from landscape.errors import InputError
from landscape.seeding import numpy_generator


@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 1000))
def test_the_ring_visits_every_domain_once_row_by_row(domains: int, size: int, seed: int) -> None:
    partner = ring(domains, size, np.random.default_rng(seed)).reshape(domains, size)
    np.testing.assert_array_equal(partner % size, np.tile(np.arange(size), (domains, 1)))
    after = partner[:, 0] // size
    place, seen = 0, []
    for _ in range(domains):
        seen.append(place)
        place = after[place]
    assert place == 0
    assert sorted(seen) == list(range(domains))


def test_mixtures_one_image_at_a_time() -> None:
    minibatch, generator = batch(), np.random.default_rng(0)
    own, partner = generator.random(SOURCES * BATCH), generator.permutation(SOURCES * BATCH)
    mixed = mixed_batch(minibatch, own, partner, CLASSES)
    images, labels = minibatch.images.flatten(0, 1).double(), minibatch.labels.flatten()
    for i, (share, other) in enumerate(zip(own, partner, strict=True)):
        image = share * images[i] + (1 - share) * images[other]
        torch.testing.assert_close(mixed.images.flatten(0, 1)[i].double(), image, rtol=1e-5, atol=1e-6)
        expected = [share * (labels[i] == k).item() + (1 - share) * (labels[other] == k).item() for k in range(CLASSES)]
        np.testing.assert_allclose(mixed.labels.flatten(0, 1)[i], expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("pairing", ["cross-domain", "pooled"])
def test_an_update_mixes_two_losses(pairing: str) -> None:
    net, minibatch = network(), batch()
    before = weights(net)
    draws = numpy_generator(0, "algorithm", 3, "mixup")
    images, labels = minibatch.images.flatten(0, 1), minibatch.labels.flatten()
    if pairing == "pooled":
        partner, own = draws.permutation(SOURCES * BATCH), np.repeat(draws.beta(0.4, 0.4, 1), SOURCES * BATCH)
    else:
        partner, own = ring(SOURCES, BATCH, draws), np.repeat(draws.beta(0.4, 0.4, SOURCES), BATCH)
    share = torch.from_numpy(own).float()
    logits = net(share.view(-1, 1, 1, 1) * images + (1 - share).view(-1, 1, 1, 1) * images[partner])
    mine, theirs = (F.cross_entropy(logits, each, reduction="none") for each in (labels, labels[partner]))
    loss = (share * mine + (1 - share) * theirs).mean()
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    options = METHODS["mixup"].options(alpha=0.4, pairing=pairing)
    metrics = made(net, run("mixup", options=options)).update(minibatch, 3)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    assert_moved_by(before, net, gradients)


def test_one_domain_is_mixed_when_pooled_only() -> None:
    with pytest.raises(InputError, match="Mixup needs at least two domains"):
        made(network(), run("mixup"), sources=1)
    made(network(), run("mixup", options=METHODS["mixup"].options(pairing="pooled")), sources=1)
