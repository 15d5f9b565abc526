"""Pro-RandConv: one random block, applied several times, with deformed kernels and a contrast of its own."""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import deform_conv2d

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed, Outputs, cross_entropy
from landscape.algorithms.inputs.versions import beside
from landscape.algorithms.rows.inputs import ProRandConvOptions
from landscape.data import Minibatch
from landscape.seeding import numpy_generator

_EPSILON = 1e-5


def build(setup: Setup) -> Composed:
    """Pro-RandConv (Choi et al. 2023, "Progressive Random Convolutions for Single Domain Generalization", section 3).

    The loss is the cross entropy of the images plus that of their random versions, in one forward pass: batch norm that
    is trained normalises both together. There is no official code.
    """
    options, network = cast(ProRandConvOptions, setup.config.options), setup.network

    def inputs(batch: Minibatch, step: int) -> Minibatch:
        generator = numpy_generator(setup.config.seed, "algorithm", step, "pro-randconv")
        images = batch.images.flatten(0, 1)
        times = int(generator.integers(1, options.repeats + 1))
        block = drawn(options, (images.shape[2], images.shape[3]), generator)
        mean, std = (images.new_tensor(each).view(1, 3, 1, 1) for each in (network.mean, network.std))
        changed = 2 * (images * std + mean) - 1
        for _ in range(times):
            changed = block(changed)
        changed = ((changed + 1) / 2 - mean) / std
        return beside(batch, replace(batch, images=changed.unflatten(0, batch.labels.shape)))

    def loss(outputs: Outputs) -> Tensor:
        return 2 * cross_entropy(outputs)

    return Composed(setup, inputs=inputs, loss=loss)


@dataclass(frozen=True)
class Block:
    """``tanh(gamma standardised(deformed conv(x)) + beta)``; images (N, 3, H, W) to (-1, 1).

    Attributes:
        kernel: (3, 3, 3, 3).
        offsets: (18, H, W), down and right for each place of the kernel.
        gamma: (3,).
        beta: (3,).
    """

    kernel: Tensor
    offsets: Tensor
    gamma: Tensor
    beta: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Of each image and channel, mean and deviation are gamma's and beta's own."""
        offsets = self.offsets.to(images).expand(len(images), -1, -1, -1).contiguous()
        maps = deform_conv2d(images.contiguous(), offsets, self.kernel.to(images), padding=1)
        variance, mean = torch.var_mean(maps, (2, 3), keepdim=True, correction=0)
        normal = (maps - mean) / (variance + _EPSILON).sqrt()
        gamma, beta = (each.to(images).view(1, 3, 1, 1) for each in (self.gamma, self.beta))
        return torch.tanh(gamma * normal + beta)


def drawn(options: ProRandConvOptions, size: tuple[int, int], generator: np.random.Generator) -> Block:
    """A block for images of this size: weights N(0, 1/27) under a Gaussian of random width, smooth random offsets."""
    width = generator.uniform(_EPSILON, 1.0)
    place = np.exp(-(np.array([-1, 0, 1]) ** 2) / (2 * width**2))
    kernel = generator.standard_normal((3, 3, 3, 3)) / np.sqrt(27) * np.outer(place, place)
    deviation = generator.uniform(_EPSILON, max(options.deformation, _EPSILON))
    offsets = deviation * smooth(generator.standard_normal((18, *size)), options.smoothness)
    gamma, beta = generator.normal(0, 0.5, (2, 3))
    return Block(*(torch.from_numpy(each) for each in (kernel, offsets, gamma, beta)))


def smooth(noise: np.ndarray, width: float) -> np.ndarray:
    """White noise (..., H, W) blurred by a Gaussian of this width in pixels, periodically; its variance stays 1."""
    v, h = (np.fft.fftfreq(length) for length in noise.shape[-2:])
    response = np.exp(-2 * (np.pi * width) ** 2 * (v[:, None] ** 2 + h**2))
    blurred: np.ndarray = np.fft.ifft2(np.fft.fft2(noise) * response).real / np.sqrt((response**2).mean())
    return blurred
