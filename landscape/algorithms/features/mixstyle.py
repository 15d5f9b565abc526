"""MixStyle: instance statistics of feature maps are mixed between images."""

from contextlib import ExitStack
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed
from landscape.algorithms.rows.features import MixStyleOptions
from landscape.data import Minibatch
from landscape.errors import InputError
from landscape.seeding import numpy_generator

_EPSILON = 1e-6


def build(setup: Setup) -> Composed:
    """MixStyle (Zhou et al. 2021, "Domain Generalization with MixStyle", section 3).

    Raises:
        InputError: the network has no such stages, or the last one is among them: its features are the class.
    """
    options, network = cast(MixStyleOptions, setup.config.options), setup.network
    network.stages_required("MixStyle", options.stages)
    if network.stages[-1] in options.stages:
        raise InputError(
            f"--options.stages has {network.stages[-1]}, the last stage; MixStyle goes behind earlier ones."
        )

    if options.pairing == "cross-domain" and len(setup.facts.domains) < 2:
        raise InputError(
            f"--options.pairing cross-domain needs two domains, but {setup.facts.domains[0]} is the only one; name "
            "more sources, or take --options.pairing random."
        )

    def features(batch: Minibatch, step: int) -> ExitStack:
        contexts = ExitStack()
        for stage in options.stages:
            generator = numpy_generator(setup.config.seed, "algorithm", step, "mixstyle", stage)
            if generator.random() >= options.probability:
                continue
            domains, size = batch.images.shape[:2]
            partner = (
                generator.permutation(domains * size)
                if options.pairing == "random"
                else ring_partners(domains, size, generator)
            )
            own = generator.beta(options.alpha, options.alpha, domains * size)
            contexts.enter_context(network.between(stage, partial(mix_styles, own=own, partner=partner)))
        return contexts

    return Composed(setup, features=features)


def mix_styles(maps: Tensor, own: np.ndarray, partner: np.ndarray) -> Tensor:
    """Maps with statistics between their own and a partner's.

    ``(h - mu) / sigma * (l sigma + (1 - l) sigma') + l mu + (1 - l) mu'`` with mu and sigma of each image and channel,
    which are constants for the gradient.

    Args:
        maps: h (N, C, H, W).
        own: l (N,), the weight of an image's own statistics.
        partner: (N,) index of the image whose statistics are mu' and sigma'.

    Raises:
        InputError: the features are no maps.
    """
    if maps.ndim != 4:
        raise InputError(f"MixStyle needs feature maps, but the stage gives features of shape {tuple(maps.shape)}.")
    variance, mean = torch.var_mean(maps.detach().float(), dim=(2, 3), keepdim=True)
    sigma = (variance + _EPSILON).sqrt()
    share = torch.from_numpy(own).to(maps.device, torch.float32).view(-1, 1, 1, 1)
    other = torch.from_numpy(partner).to(maps.device)
    scale = (share * sigma + (1 - share) * sigma[other]) / sigma
    shift = share * mean + (1 - share) * mean[other] - scale * mean
    return (maps * scale + shift).to(maps.dtype)


def ring_partners(domains: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Partners from the next domain: half of a domain's images with the other half of the next one's, both ways.

    Args:
        domains: n.
        size: B, images of each; with an odd number one image of a domain keeps to itself.
        generator: shuffles the halves.

    Returns:
        (n B,) index of each image's partner, domain after domain.
    """
    half = size // 2
    partner = np.arange(domains * size).reshape(domains, size)
    rows = partner.copy()
    for domain in range(domains):
        after = (domain + 1) % domains
        first = generator.permutation(rows[domain, :half])
        second = generator.permutation(rows[after, size - half :])
        partner.flat[first], partner.flat[second] = second, first
    return partner.reshape(-1)
