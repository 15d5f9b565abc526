"""Mixup: convex combinations of two images and of their labels."""

from dataclasses import replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed
from landscape.algorithms.rows.inputs import MixupOptions
from landscape.data import Minibatch
from landscape.seeding import numpy_generator


def build(setup: Setup) -> Composed:
    """Mixup (Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", section 2), by default between domains.

    Raises:
        InputError: pairs across domains of a single domain.
    """
    options = cast(MixupOptions, setup.config.options)
    pooled = options.pairing == "pooled"
    if not pooled:
        two_domains_required(setup)

    def inputs(batch: Minibatch, step: int) -> Minibatch:
        generator = numpy_generator(setup.config.seed, "algorithm", step, "mixup")
        domains, size = batch.images.shape[:2]
        partner = generator.permutation(domains * size) if pooled else ring(domains, size, generator)
        own = generator.beta(options.alpha, options.alpha, 1 if pooled else domains)
        return mixed_batch(batch, np.repeat(own, domains * size // len(own)), partner, setup.network.num_classes)

    return Composed(setup, inputs=inputs)


def two_domains_required(setup: Setup) -> None:
    """Say so when pairs across domains are wanted and there is one domain.

    Raises:
        InputError: a minibatch has one domain.
    """
    replace(setup.config.method, fewest_domains=2).check(setup.facts.sources, setup.facts.views)


def ring(domains: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Partners in a random ring of the domains: image b of a domain with image b of the next one in the ring.

    Args:
        domains: n.
        size: B, images of each.
        generator: draws the order of the ring.

    Returns:
        (n B,) index of each image's partner, domain after domain.
    """
    order = generator.permutation(domains)
    after = np.empty(domains, np.int64)
    after[order] = np.roll(order, -1)
    return (after[:, None] * size + np.arange(size)).reshape(-1)


def mixed_batch(batch: Minibatch, own: np.ndarray, partner: np.ndarray, classes: int) -> Minibatch:
    """Images and labels ``l x + (1 - l) x'``.

    Args:
        batch: n domains of B images, with labels (n, B) int64.
        own: l (n B,), the weight of each image.
        partner: (n B,) index of the image x'.
        classes: K, of the labels (n, B, K) that are handed on.
    """
    share = torch.from_numpy(own).to(batch.images.device)
    other = torch.from_numpy(partner).to(batch.images.device)
    images, labels = batch.images.flatten(0, 1), shares(batch.labels, classes).flatten(0, 1)
    mixed = [
        interpolated(values, values[other], share).unflatten(0, batch.images.shape[:2]) for values in (images, labels)
    ]
    return Minibatch(mixed[0], mixed[1], batch.rows)


def interpolated(values: Tensor, others: Tensor, share: Tensor) -> Tensor:
    """``l x + (1 - l) x'`` for values x and others x' (N, ...) and shares l (N,)."""
    weight = share.to(values.dtype).view(-1, *[1] * (values.ndim - 1))
    return values * weight + others * (1 - weight)


def shares(labels: Tensor, classes: int) -> Tensor:
    """Labels (n, B) int64 as shares of the classes (n, B, K) float32."""
    return F.one_hot(labels, classes).float()
