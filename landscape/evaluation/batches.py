"""Images of a task in batches, for what has to be differentiated."""

import numpy as np
import torch
from torch import Tensor, nn

from landscape.data import Task, normalise
from landscape.models.network import IMAGENET_MEAN, IMAGENET_STD, colour


def batches_of(
    task: Task, rows: np.ndarray, network: nn.Module, device: torch.device, *, size: int = 64
) -> list[tuple[Tensor, Tensor]]:
    """Normalised images and labels on a device, in batches, for what has to be differentiated.

    Args:
        task: gives the images.
        rows: (n,) which of them.
        network: whose input normalisation is used.
        device: where to.
        size: images a batch.
    """
    images = task.images
    mean = colour(getattr(network, "mean", IMAGENET_MEAN), "mean")
    std = colour(getattr(network, "std", IMAGENET_STD), "std")
    return [
        (
            normalise(torch.from_numpy(images.pixels[part]).to(device), mean, std),
            torch.from_numpy(images.labels[part]).to(device),
        )
        for part in (rows[start : start + size] for start in range(0, len(rows), size))
    ]
