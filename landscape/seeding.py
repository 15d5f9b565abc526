"""Stateless randomness: every draw happens under ``seed = hash(trial seed, purpose, step)``.

Nothing about a random stream has to be saved: step 4,711 draws the same numbers whether the run got
there in one go or was killed and resumed, and two algorithms with the same trial seed see the same
batches and the same augmentation (common random numbers). Each purpose is its own stream, so that an
algorithm that draws more numbers for itself does not shift anybody else's.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

Purpose = Literal["split", "data", "augmentation", "dropout", "algorithm", "model", "policy", "evaluation"]


def seed_for(trial_seed: int, purpose: Purpose, *parts: int | str) -> int:
    """A 63-bit seed that depends on all arguments and on nothing else.

    `parts` is usually the step; a split adds the domain's name.
    """
    text = "\x1f".join([str(int(trial_seed)), purpose, *(str(part) for part in parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def numpy_generator(trial_seed: int, purpose: Purpose, *parts: int | str) -> np.random.Generator:
    """A NumPy generator for one purpose at one step."""
    return np.random.default_rng(seed_for(trial_seed, purpose, *parts))


def torch_generator(trial_seed: int, purpose: Purpose, *parts: int | str) -> "torch.Generator":
    """A CPU torch generator for one purpose at one step."""
    import torch

    return torch.Generator().manual_seed(seed_for(trial_seed, purpose, *parts))


@contextmanager
def torch_seed(trial_seed: int, purpose: Purpose, *parts: int | str) -> Iterator[None]:
    """Run a block under its own seed of torch's global generators and put their state back afterwards.

    For code that takes no generator, such as ``F.dropout`` and the initialisation of layers.
    """
    import torch

    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_for(trial_seed, purpose, *parts))
        yield
