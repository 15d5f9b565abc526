"""Several versions of a minibatch in one forward pass, side by side in each domain."""

import numpy as np
import torch
from torch import Tensor

from landscape.data import Minibatch


def beside(*versions: Minibatch) -> Minibatch:
    """M minibatches of n domains with B images as one of n domains with m B images, version after version."""
    images = torch.cat([version.images for version in versions], 1)
    flat = images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    labels = torch.cat([version.labels for version in versions], 1)
    rows = np.concatenate([version.rows for version in versions], 1)
    return Minibatch(flat.unflatten(0, images.shape[:2]), labels, rows)


def apart(values: Tensor, count: int) -> tuple[Tensor, ...]:
    """What belongs to each of `count` versions in values (n, m B, ...)."""
    return values.chunk(count, 1)
