"""RandConv: images convolved with random kernels keep their shapes and lose their texture."""

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed, Metrics, Outputs, cross_entropy
from landscape.algorithms.inputs.versions import apart, beside
from landscape.algorithms.rows.inputs import RandConvOptions
from landscape.data import Minibatch
from landscape.errors import InputError
from landscape.seeding import numpy_generator

_VERSIONS = 3


def build(setup: Setup) -> Composed:
    """RandConv (Xu et al. 2021, "Robust and Generalizable Visual Representation Learning via Random Convolutions").

    Three versions of the images, each with a kernel of its own for the whole batch, in one forward pass: the first is
    classified, and the answers to all three have to be alike. Published code sums the losses of several
    sources, this is their mean; it also validates with random convolutions, this does not. Batch norm that is trained
    normalises the three versions together.

    Raises:
        InputError: a kernel's size is even, or there is none.
    """
    options, network = cast(RandConvOptions, setup.config.options), setup.network
    if not options.kernels or any(size < 1 or size % 2 == 0 for size in options.kernels):
        raise InputError(f"--options.kernels is {options.kernels}; expected odd sizes, such as 1 3 5 7.")

    def inputs(batch: Minibatch, step: int) -> Minibatch:
        generator = numpy_generator(setup.config.seed, "algorithm", step, "randconv")
        images = batch.images.flatten(0, 1)
        versions: list[Minibatch] = []
        for version in range(_VERSIONS):
            kept = options.mode == "image" and version == 0 and generator.random() < options.original
            changed = images if kept else convolved(images, *drawn(options, generator))
            if options.clamp:
                changed = _clamped(changed, network.mean, network.std)
            versions.append(Minibatch(changed.unflatten(0, batch.labels.shape), batch.labels, batch.rows))
        return beside(*versions)

    def loss(outputs: Outputs) -> Tensor:
        return cross_entropy(Outputs(apart(outputs.logits, _VERSIONS)[0], apart(outputs.labels, _VERSIONS)[0]))

    def penalty(outputs: Outputs, step: int) -> tuple[Tensor, Metrics]:
        alike = consistency(torch.stack(apart(outputs.logits, _VERSIONS)))
        return options.weight * alike, {"loss_consistency": alike.detach()}

    return Composed(setup, inputs=inputs, loss=loss, penalty=penalty)


def drawn(options: RandConvOptions, generator: np.random.Generator) -> tuple[Tensor, float]:
    """A kernel (3, 3, k, k) of N(0, 1 / (3 k^2)), and the share of its result (1 unless images are mixed)."""
    size = options.kernels[generator.integers(len(options.kernels))]
    kernel = generator.standard_normal((3, 3, size, size)) / np.sqrt(3 * size**2)
    share = generator.random() if options.mode == "mix" else 1.0
    return torch.from_numpy(kernel), share


def convolved(images: Tensor, kernel: Tensor, share: float = 1.0) -> Tensor:
    """``a conv(x) + (1 - a) x``, of the same size, with zeros around the images.

    Args:
        images: x (N, 3, H, W), normalised.
        kernel: (3, 3, k, k) with k odd.
        share: a.
    """
    result = F.conv2d(images, kernel.to(images), padding=kernel.shape[-1] // 2)
    return result if share == 1 else share * result + (1 - share) * images


def consistency(logits: Tensor) -> Tensor:
    """``1/m sum_i KL(p_i | p)`` with the mean p of m answers, averaged over the images; logits (m, n, B, K)."""
    logs = logits.log_softmax(-1)
    mean = logs.exp().mean(0).clamp(min=1e-7).log()
    return (logs.exp() * (logs - mean)).sum(-1).mean()


def _clamped(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    centre, spread = (images.new_tensor(each).view(1, 3, 1, 1) for each in (mean, std))
    return images.clamp(-centre / spread, (1 - centre) / spread)
