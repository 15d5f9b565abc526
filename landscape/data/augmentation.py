"""Augmentation: training images as the network sees them, and fixed augmented copies for validation."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from landscape.config import RunConfig
from landscape.data.affine import affine_jitter
from landscape.data.images import DomainImages
from landscape.data.jitter import draw_jitter, jitter_images
from landscape.data.randaugment import RandAugment, randaugment
from landscape.seeding import numpy_generator

Augmentation = Literal["domainbed", "affine", "none"] | RandAugment


def augmentation_of(config: RunConfig) -> Augmentation:
    """The augmentation that a configuration names, with its settings."""
    if config.augmentation == "randaugment":
        return RandAugment(config.random_ops, config.magnitude)
    return config.augmentation


def augment(
    pixels: np.ndarray,
    generator: np.random.Generator,
    *,
    augmentation: Augmentation = "domainbed",
    device: torch.device | str = "cpu",
) -> Tensor:
    """Randomly cropped, flipped and recoloured images.

    Args:
        pixels: (B, S, S, 3) uint8, not a read-only array.
        generator: all draws of the batch come from it, in one order whatever the device.
        augmentation: ``domainbed`` (torchvision's functions on the CPU), ``affine`` (the same draws as affine maps, on
            the device), a :class:`~landscape.data.randaugment.RandAugment` or ``none``.
        device: where the result is wanted.

    Returns:
        (B, S, S, 3) on the device: uint8, or float32 from 0 to 255 for ``affine``.
    """
    count, size = pixels.shape[:2]
    if augmentation == "domainbed":
        pixels = jitter_images(pixels, draw_jitter(count, size, generator))
    if isinstance(augmentation, RandAugment):
        pixels = randaugment(pixels, augmentation, generator)
    images = torch.from_numpy(pixels).to(device)
    if augmentation == "affine":
        images = affine_jitter(images, draw_jitter(count, size, generator))
    return images


def augmented_pixels(
    images: DomainImages, rows: np.ndarray, *, seed: int, augmentation: Augmentation = "domainbed"
) -> np.ndarray:
    """Augmented copies of some images, for validation on augmented images as in DomainBed.

    An image's copy depends on (trial seed, row) only. DomainBed draws anew at every evaluation; here all
    checkpoints of a run are compared on the same copies.

    Returns:
        (len(rows), S, S, 3) uint8 in the order of `rows`.
    """
    pixels = images.pixels
    if augmentation == "none":
        return pixels[rows]
    if isinstance(augmentation, RandAugment):
        copies = [
            randaugment(
                pixels[row : row + 1], augmentation, numpy_generator(seed, "augmentation", "validation", int(row))
            )
            for row in rows
        ]
        return np.concatenate(copies)
    jitter = draw_jitter(len(images), pixels.shape[1], numpy_generator(seed, "augmentation", "validation"))
    result = np.empty((len(rows), *pixels.shape[1:]), dtype=np.uint8)
    for start in range(0, len(rows), 256):
        part = np.asarray(rows[start : start + 256])
        if augmentation == "domainbed":
            result[start : start + 256] = jitter_images(pixels[part], jitter.take(part))
        else:
            changed = affine_jitter(torch.from_numpy(pixels[part]), jitter.take(part))
            result[start : start + 256] = changed.round_().to(torch.uint8).numpy()
    return result
