"""CutMix: a box of another image is pasted, and the label is shared by area."""

from typing import cast

import numpy as np
import torch

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed
from landscape.algorithms.inputs.mixup import interpolated, shares
from landscape.algorithms.rows.inputs import CutMixOptions
from landscape.data import Minibatch
from landscape.seeding import numpy_generator

Box = tuple[slice, slice]
"""Rows and columns of the pixels."""


def build(setup: Setup) -> Composed:
    """CutMix (Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers", section 3), pooled."""
    options = cast(CutMixOptions, setup.config.options)

    def inputs(batch: Minibatch, step: int) -> Minibatch:
        generator = numpy_generator(setup.config.seed, "algorithm", step, "cutmix")
        if generator.random() >= options.probability:
            return batch
        domains, size = batch.images.shape[:2]
        partner = torch.from_numpy(generator.permutation(domains * size)).to(batch.images.device)
        return pasted(batch, partner, drawn_box(batch, options.alpha, generator), setup.network.num_classes)

    return Composed(setup, inputs=inputs)


def drawn_box(batch: Minibatch, alpha: float, generator: np.random.Generator) -> Box:
    """A box whose area is a share 1 - Beta(alpha, alpha) of the images before it is clipped; its centre is uniform."""
    height, width = batch.images.shape[-2:]
    share = 1 - generator.beta(alpha, alpha)
    return box(height, width, share, (int(generator.integers(height)), int(generator.integers(width))))


def box(height: int, width: int, share: float, centre: tuple[int, int]) -> Box:
    """The box of sides ``sqrt(share)`` times the image's around a centre, clipped to the image.

    >>> box(8, 8, 0.25, (4, 1))
    (slice(2, 6, None), slice(0, 3, None))
    """
    sides: list[slice] = []
    for length, middle in zip((height, width), centre, strict=True):
        half = int(length * share**0.5) // 2
        sides.append(slice(max(middle - half, 0), min(middle + half, length)))
    return sides[0], sides[1]


def pasted(batch: Minibatch, partner: torch.Tensor, where: Box, classes: int) -> Minibatch:
    """Images with a box of their partners, and labels shared by the area that each image really has.

    Args:
        batch: n domains of B images, with labels (n, B) int64.
        partner: (n B,) index of the image that the box comes from.
        where: the box; an image that is its own partner stays as it is.
        classes: K, of the labels (n, B, K) that are handed on.
    """
    shape, images = batch.images.shape[:2], batch.images.flatten(0, 1)
    labels = shares(batch.labels, classes).flatten(0, 1)
    mixed = images.clone()
    mixed[:, :, *where] = images[partner][:, :, *where]
    area = (where[0].stop - where[0].start) * (where[1].stop - where[1].start)
    own = torch.full((len(labels),), 1 - area / images[0, 0].numel(), device=labels.device)
    labels = interpolated(labels, labels[partner], own)
    return Minibatch(mixed.unflatten(0, shape), labels.unflatten(0, shape), batch.rows)
