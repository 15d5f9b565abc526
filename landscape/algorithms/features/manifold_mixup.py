"""Manifold Mixup: features of one stage, drawn at every step, are mixed, and the labels with them."""

from contextlib import AbstractContextManager
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed
from landscape.algorithms.inputs.mixup import interpolated, ring, shares, two_domains_required
from landscape.algorithms.rows.features import ManifoldMixupOptions
from landscape.data import Minibatch
from landscape.errors import InputError
from landscape.seeding import numpy_generator


def build(setup: Setup) -> Composed:
    """Manifold Mixup (Verma et al. 2019, "Better Representations by Interpolating Hidden States", section 2).

    ``h <- l h + (1 - l) h'`` at one stage, and the cross entropy with ``l y + (1 - l) y'``. Published code for ResNets
    drops what it mixed at the input, and has a binary cross entropy on probabilities; neither is repeated.

    Raises:
        InputError: the network has no such stages, there are none, or there is one domain for pairs across domains.
    """
    options, network = cast(ManifoldMixupOptions, setup.config.options), setup.network
    if not options.stages:
        raise InputError("--options.stages is empty; Manifold Mixup needs a stage to mix at, such as input.")
    network.stages_required("Manifold Mixup", options.stages)
    if options.pairing == "cross-domain":
        two_domains_required(setup)

    def drawn(batch: Minibatch, step: int) -> tuple[str, float, np.ndarray]:
        """Stage, weight and partners of a step."""
        generator = numpy_generator(setup.config.seed, "algorithm", step, "manifold-mixup")
        stage = options.stages[generator.integers(len(options.stages))]
        own = generator.beta(options.alpha, options.alpha)
        domains, size = batch.images.shape[:2]
        pooled = options.pairing == "pooled"
        partner = generator.permutation(domains * size) if pooled else ring(domains, size, generator)
        return stage, own, partner

    def inputs(batch: Minibatch, step: int) -> Minibatch:
        _, own, partner = drawn(batch, step)
        labels = mixed(shares(batch.labels, network.num_classes).flatten(0, 1), own=own, partner=partner)
        return Minibatch(batch.images, labels.unflatten(0, batch.labels.shape), batch.rows)

    def features(batch: Minibatch, step: int) -> AbstractContextManager[None]:
        stage, own, partner = drawn(batch, step)
        return network.between(stage, partial(mixed, own=own, partner=partner))

    return Composed(setup, inputs=inputs, features=features)


def mixed(values: Tensor, own: float, partner: np.ndarray) -> Tensor:
    """``l h + (1 - l) h'``.

    Args:
        values: h (N, ...).
        own: l, one for all.
        partner: (N,) index of each one's h'.
    """
    other = torch.from_numpy(partner).to(values.device)
    return interpolated(values, values[other], torch.full((len(values),), own, device=values.device))
