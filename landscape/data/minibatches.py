"""Minibatches: one from every source domain at each step."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from landscape.data.augmentation import Augmentation, augment
from landscape.data.normalisation import normalise
from landscape.data.task import Task
from landscape.errors import InputError
from landscape.seeding import numpy_generator

_AHEAD = 2


@dataclass(frozen=True, eq=False)
class Minibatch:
    """B images of each of n domains: the sources in the task's order, or augmented views of them."""

    images: Tensor
    """(n, B, 3, S, S) float32, augmented and normalised; the n B images lie channels last in memory."""
    labels: Tensor
    """(n, B) int64; a method's inputs may hand on (n, B, K) shares of the classes."""
    rows: np.ndarray
    """(n, B) int64 rows of the task's images."""

    def only(self, domain: int) -> "Minibatch":
        """The part of one domain: n is 1."""
        part = slice(domain, domain + 1)
        return Minibatch(self.images[part], self.labels[part], self.rows[part])


class Minibatches:
    """Per-domain minibatches, drawn with replacement from the sources' "in" splits.

    What step t gets depends on (trial seed, t) only: rows are drawn under the purpose "data", the augmentation of the
    whole pooled batch under "augmentation". Algorithms with the same trial seed see the same batches.

    Args:
        task: images, split and target.
        batch_size: B, per source domain.
        seed: trial seed.
        mean: the network's input normalisation, in units of pixel / 255.
        std: likewise.
        augmentation: see :func:`landscape.data.augmentation.augment`.
        views: independently augmented copies of each image, each a domain of its own in the minibatch: n is the number
            of sources times this, a source's views side by side.
        sampler: ``uniform`` draws images. ``class-first`` draws classes that every source has, uniformly and without
            replacement, then each source's images uniformly among its images of those classes. It is meant for data
            with many classes, where images drawn uniformly would hardly share a class (FGMix's choice for DomainNet).
        classes_per_batch: classes that ``class-first`` draws; fewer if fewer are common to all sources or than B.
        device: where the batches are wanted.

    Raises:
        InputError: batch size or classes per batch below 1, or no class is common to all sources.
    """

    def __init__(
        self,
        task: Task,
        *,
        batch_size: int,
        seed: int,
        mean: Sequence[float],
        std: Sequence[float],
        augmentation: Augmentation = "domainbed",
        views: int = 1,
        sampler: Literal["uniform", "class-first"] = "uniform",
        classes_per_batch: int = 8,
        device: torch.device | str = "cpu",
    ) -> None:
        if batch_size < 1 or classes_per_batch < 1 or views < 1:
            raise InputError(
                f"batch size {batch_size}, classes per batch {classes_per_batch} and views {views}: expected at least "
                "1 of each."
            )
        self.task = task
        self.batch_size = batch_size
        self.seed = seed
        self.mean, self.std = tuple(mean), tuple(std)
        self.augmentation: Augmentation = augmentation
        self.views = views
        self.sampler = sampler
        self.device = torch.device(device)
        self._rows = [task.rows(source, "in") for source in task.sources]
        self._common = np.array([], dtype=np.int64)
        if sampler == "class-first":
            self._prepare_classes(classes_per_batch)

    def _prepare_classes(self, classes_per_batch: int) -> None:
        labels = self.task.images.labels
        # by_class[source][class]: rows
        self._by_class = [
            [rows[labels[rows] == k] for k in range(len(self.task.images.classes))] for rows in self._rows
        ]
        present = np.array([[len(rows) > 0 for rows in source] for source in self._by_class])
        self._common = np.flatnonzero(present.all(axis=0))
        if not len(self._common):
            raise InputError(
                f"the class-first sampler needs a class that every source ({', '.join(self.task.sources)}) has among "
                "its training images, and there is none; try the uniform sampler."
            )
        self._classes_per_batch = min(classes_per_batch, len(self._common), self.batch_size)

    def rows(self, step: int) -> np.ndarray:
        """(n, B) int64 rows of the images drawn at a step, the views of a source the same."""
        generator = numpy_generator(self.seed, "data", step)
        if self.sampler == "uniform":
            pools = self._rows
        else:
            chosen = generator.choice(self._common, self._classes_per_batch, replace=False)
            pools = [np.concatenate([source[k] for k in chosen]) for source in self._by_class]
        drawn = np.stack([pool[generator.integers(0, len(pool), self.batch_size)] for pool in pools])
        return np.repeat(drawn, self.views, axis=0)

    def at(self, step: int) -> Minibatch:
        """The minibatches of a step. Steps may be asked for in any order and from any thread."""
        rows = self.rows(step)
        images = self.task.images
        pixels = augment(
            images.pixels[rows.reshape(-1)],
            numpy_generator(self.seed, "augmentation", step),
            augmentation=self.augmentation,
            device=self.device,
        )
        pooled = normalise(pixels, self.mean, self.std)
        labels = torch.from_numpy(images.labels[rows]).to(self.device)
        return Minibatch(pooled.unflatten(0, rows.shape), labels, rows)

    def prefetch(self, start: int, stop: int) -> Iterator[tuple[int, Minibatch]]:
        """Steps start, ..., stop - 1 in order, with the values of :meth:`at`, prepared in a background thread.

        At most two batches wait; leaving the loop early stops the thread.
        """
        pool = ThreadPoolExecutor(1, thread_name_prefix="minibatches")
        try:
            waiting = deque(pool.submit(self.at, step) for step in range(start, min(start + _AHEAD, stop)))
            for step in range(start, stop):
                batch = waiting.popleft().result()
                if step + _AHEAD < stop:
                    waiting.append(pool.submit(self.at, step + _AHEAD))
                yield step, batch
        finally:
            pool.shutdown(cancel_futures=True)
