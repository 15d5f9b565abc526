"""What penalties over domains share: pairs of domains, and enough images of each."""

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor

from landscape.algorithms.algorithm import Setup
from landscape.errors import InputError


def mean_over_pairs(codes: Tensor, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The mean of a distance between the codes (B, D) of two domains over all pairs of domains of (n, B, D)."""
    return torch.stack([distance(first, second) for first, second in combinations(codes, 2)]).mean()


def need_two_images(setup: Setup) -> None:
    """Whether a minibatch has two images of each domain.

    Raises:
        InputError: it has one.
    """
    config = setup.config
    if config.batch_size < 2:
        raise InputError(
            f"{config.method.label} needs at least 2 images of each domain in a minibatch, but --batch-size is "
            f"{config.batch_size}."
        )
