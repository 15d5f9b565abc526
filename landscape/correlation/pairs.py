"""Which images are compared: random same-class pairs of two domains, and groups of one image per domain."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as counting

import numpy as np
import torch

from landscape.data import Task
from landscape.data.task import Part
from landscape.errors import InputError
from landscape.fgmix import anchored_groups
from landscape.seeding import numpy_generator


@dataclass(frozen=True)
class ImagePairs:
    """Same-class pairs of images, the first one from one source domain and the second from another.

    Attributes:
        first: domain of the first image, whose compatibility with the second is scored.
        second: domain of the second.
        rows: (N, 2) indices into the task's images; no pair twice.
        labels: (N,) their class.
    """

    first: str
    second: str
    rows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class ImageGroups:
    """Groups of same-class images, one of each source domain.

    Attributes:
        rows: (M, n) indices into the task's images, in the order of the sources.
        labels: (M,) their class.
    """

    rows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def draw_pairs(
    task: Task, first: str, second: str, *, count: int, part: Part = "in", seed: int = 0, draw: int = 0
) -> ImagePairs:
    """Random same-class pairs of two domains (FGMix paper, Appendix B).

    The first images are drawn uniformly without replacement as long as there are new ones, then again from the
    start; each takes a random partner of its class among those that it has not had. So classes appear as often as
    in the first domain, as in the groups of training, and no pair occurs twice. The paper does not say how its
    pairs were drawn; this is our choice.

    Args:
        task: images and split.
        first: domain of the first image.
        second: domain of the second.
        count: pairs; fewer come back if there are no more.
        part: ``in``: training images, ``out``: held-out ones, or ``all``.
        seed: trial seed.
        draw: another number draws other pairs.

    Raises:
        InputError: the two domains share no class.
    """
    labels = task.images.labels
    ours, theirs = task.rows(first, part), task.rows(second, part)
    partners = {k: theirs[labels[theirs] == k] for k in np.unique(labels[theirs])}
    ours = ours[np.isin(labels[ours], list(partners))]
    if len(ours) == 0:
        raise InputError(
            f"{first} and {second} share no class among their {_WORDS[part]}, so no same-class pair exists; "
            "leave one of them out with --domains."
        )
    generator = numpy_generator(seed, "evaluation", "correlation", "pairs", draw, first, second)
    chosen = list(_take(_all_pairs(ours, labels, partners, generator), count))
    rows = np.array(chosen, dtype=np.int64).reshape(-1, 2)
    return ImagePairs(first, second, rows, labels[rows[:, 0]])


def draw_groups(task: Task, *, count: int, part: Part = "in", seed: int = 0, draw: int = 0) -> ImageGroups:
    """Random groups of one same-class image per source, as the weight policy sees them.

    Each group is anchored at another image, the anchors drawn uniformly without replacement; its class decides,
    and its partners are random. Fewer than `count` come back if there are fewer images to anchor one.

    Args:
        task: images and split.
        count: groups.
        part: ``in``, ``out`` or ``all``.
        seed: trial seed.
        draw: another number draws other groups.
    """
    rows = np.concatenate([task.rows(source, part) for source in task.sources])
    source = np.repeat(np.arange(len(task.sources)), [len(task.rows(name, part)) for name in task.sources])
    generator = numpy_generator(seed, "evaluation", "correlation", "groups", draw)
    groups = anchored_groups(torch.from_numpy(task.images.labels[rows]), torch.from_numpy(source), generator=generator)
    kept = np.sort(generator.permutation(len(groups))[:count])
    return ImageGroups(rows[groups.rows.numpy()[kept]], groups.labels.numpy()[kept])


_WORDS: dict[Part, str] = {"in": "training images", "out": "held-out images", "all": "images"}


def _all_pairs(
    ours: np.ndarray, labels: np.ndarray, partners: dict[int, np.ndarray], generator: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Every pair once, in random order: each first image once before any of them twice."""
    orders: dict[int, np.ndarray] = {}
    for turn in counting():
        fresh = False
        for row in generator.permutation(ours).tolist():
            if row not in orders:
                orders[row] = generator.permutation(partners[labels[row]])
            if turn < len(orders[row]):
                fresh = True
                yield row, int(orders[row][turn])
        if not fresh:
            return


def _take(pairs: Iterator[tuple[int, int]], count: int) -> Iterator[tuple[int, int]]:
    for _, pair in zip(range(count), pairs, strict=False):
        yield pair
