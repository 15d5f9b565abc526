"""Normalisation: bytes to the network's input."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def normalise(pixels: np.ndarray | Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """``(p / 255 - mean) / std`` per channel.

    Args:
        pixels: (B, S, S, 3), bytes or numbers from 0 to 255.
        mean: of each channel, in units of pixel / 255.
        std: of each channel, in units of pixel / 255.

    Returns:
        (B, 3, S, S) float32 on the pixels' device, channels last in memory.
    """
    if isinstance(pixels, np.ndarray):
        # torch warns of arrays that it may not write to, such as a read-only map.
        pixels = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())
    # Whole rows of repeated channels: broadcasting over a last axis of three is ten times slower.
    size = pixels.shape[2]
    scale = torch.tensor([1 / (255 * s) for s in std] * size, dtype=torch.float32, device=pixels.device)
    shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)] * size, device=pixels.device)
    flat = pixels.flatten(2)
    scaled = flat * scale if flat.is_floating_point() else flat.float().mul_(scale)
    return scaled.sub_(shift).unflatten(2, (size, 3)).permute(0, 3, 1, 2)
