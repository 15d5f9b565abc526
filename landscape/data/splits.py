"""Splits: the fifth of every domain that training never sees."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from landscape.data.images import DomainImages
from landscape.errors import InputError
from landscape.seeding import numpy_generator, seed_for
from landscape.storage import digest

Rule = Literal["concept", "random", "domainbed"]
HOLDOUT = 0.2
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Split:
    """An 80/20 split of every domain into "in" (training) and "out" (validation)."""

    held_out: np.ndarray
    """(N,) bool: True is "out"."""
    rule: Rule
    seed: int
    digest: str
    """Hash of the images' listing and of what is held out."""


def split_images(
    images: DomainImages, *, seed: int, rule: Literal["auto", "concept", "random", "domainbed"] = "auto"
) -> Split:
    """Hold a fifth of every domain out, depending on (trial seed, domain) only.

    * ``concept``: every (class, concept) goes to fold ``hash(trial seed, class, concept) mod 5``; fold 0 is held out
      in every domain, so that no concept of the "out" split was trained on in any style.
    * ``random``: ``int(0.2 N)`` images of each domain, at least one where the domain has two, drawn under
      ``hash(trial seed, domain)``.
    * ``domainbed``: DomainBed's own (``split_dataset``): positions 0..N-1 of domain i are shuffled by
      ``RandomState(seed_hash(trial seed, i))``, the first ``int(0.2 N)`` are held out; i counts all domains of the
      data set in sorted order. Images left out as unreadable shift the positions.
    * ``auto``: concept where the data has concepts, else random.

    Raises:
        InputError: rule ``concept`` without concepts, or a domain is left with nothing to train on.
    """
    if rule == "auto":
        rule = "random" if images.concepts is None else "concept"
    if rule == "concept":
        held_out = _by_concept(images, seed)
    else:
        held_out = np.zeros(len(images), dtype=bool)
        positions = images.positions or range(len(images.domains))
        for index, (name, position) in enumerate(zip(images.domains, positions, strict=True)):
            rows = np.flatnonzero(images.domain == index)
            chosen = _random(len(rows), seed, name) if rule == "random" else _domainbed(len(rows), seed, position)
            held_out[rows[chosen]] = True
    for index, name in enumerate(images.domains):
        if held_out[images.domain == index].all():
            raise InputError(
                f"the {rule} split of seed {seed} holds out every image of domain {name!r}; "
                "the domain needs more images" + (" or concepts." if rule == "concept" else ".")
            )
    held_out.flags.writeable = False
    return Split(held_out, rule, seed, digest(images.digest, rule, np.packbits(held_out).tobytes()))


def _by_concept(images: DomainImages, seed: int) -> np.ndarray:
    if images.concepts is None:
        raise InputError(
            f"{images.name} has no concepts to split by; try the random split, or add a concept column to a manifest."
        )
    pairs = list(zip(images.labels.tolist(), images.concepts, strict=True))
    out = {
        (label, concept): seed_for(seed, "split", images.classes[label], concept) % FOLDS == 0
        for label, concept in set(pairs)
    }
    return np.array([out[pair] for pair in pairs], dtype=bool)


def _random(count: int, seed: int, domain: str) -> np.ndarray:
    held_out = max(int(HOLDOUT * count), min(1, count - 1))
    return numpy_generator(seed, "split", domain).permutation(count)[:held_out]


def _domainbed(count: int, seed: int, position: int) -> list[int]:
    keys = list(range(count))
    np.random.RandomState(seed_hash(seed, position)).shuffle(keys)
    return keys[: int(HOLDOUT * count)]


def seed_hash(*parts: int | str) -> int:
    """DomainBed's ``misc.seed_hash``: ``md5(str(parts)) mod 2^31``."""
    return int(hashlib.md5(str(parts).encode(), usedforsecurity=False).hexdigest(), 16) % 2**31
