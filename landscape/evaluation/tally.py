"""Sums per domain, split and class, and the scores that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from landscape.data import Task
from landscape.errors import unknown_choice
from landscape.evaluation.predictions import Predictions

Part = Literal["in", "out", "all"]
_PARTS: dict[str, slice] = {"in": slice(0, 1), "out": slice(1, 2), "all": slice(0, 2)}


@dataclass(frozen=True, eq=False)
class Tally:
    """Loss sum, correct predictions and number of images per [domain, split, class].

    Scores divide once, at the end; a score over no image is NaN.

    Attributes:
        domains: D names.
        classes: K names.
        loss: (D, 2, K) float64 sums of cross entropy in nats; the second axis is the split: 0 in, 1 out.
        correct: (D, 2, K) int64.
        n: (D, 2, K) int64 images.
    """

    domains: tuple[str, ...]
    classes: tuple[str, ...]
    loss: np.ndarray
    correct: np.ndarray
    n: np.ndarray

    @classmethod
    def of(cls, predictions: Predictions, task: Task) -> "Tally":
        """Count the predictions of any of a task's images."""
        images, rows = task.images, predictions.rows
        return cls.count(
            predictions.loss,
            predictions.correct,
            labels=images.labels[rows],
            domain=images.domain[rows],
            held_out=task.split.held_out[rows],
            domains=images.domains,
            classes=images.classes,
        )

    @classmethod
    def count(
        cls,
        loss: np.ndarray,
        correct: np.ndarray,
        *,
        labels: np.ndarray,
        domain: np.ndarray,
        held_out: np.ndarray,
        domains: Sequence[str],
        classes: Sequence[str],
    ) -> "Tally":
        """Count plain arrays.

        Args:
            loss: (n,) nats.
            correct: (n,) bool.
            labels: (n,) class index.
            domain: (n,) domain index.
            held_out: (n,) bool: True for the "out" split.
            domains: their names.
            classes: their names.
        """
        shape = (len(domains), 2, len(classes))
        cell = np.ravel_multi_index((domain, held_out.astype(np.int64), labels), shape)

        def total(weights: np.ndarray | None) -> np.ndarray:
            return np.bincount(cell, weights=weights, minlength=int(np.prod(shape))).reshape(shape)

        return cls(
            domains=tuple(domains),
            classes=tuple(classes),
            loss=total(np.asarray(loss, dtype=np.float64)).astype(np.float64),
            correct=total(np.asarray(correct, dtype=np.float64)).astype(np.int64),
            n=total(None).astype(np.int64),
        )

    def images(self, domains: str | Sequence[str] | None = None, part: Part = "all") -> int:
        """Number of images of some domains (default: all) in one part of the split."""
        return int(self._per_class(self.n, domains, part).sum())

    def mean_loss(self, domains: str | Sequence[str] | None = None, part: Part = "all") -> float:
        """Mean cross entropy in nats over the images of some domains, pooled."""
        return _ratio(self._per_class(self.loss, domains, part).sum(), self.images(domains, part))

    def accuracy(self, domains: str | Sequence[str] | None = None, part: Part = "all") -> float:
        """Share of images classified correctly, pooled over domains."""
        return _ratio(self._per_class(self.correct, domains, part).sum(), self.images(domains, part))

    def balanced_accuracy(self, domains: str | Sequence[str] | None = None, part: Part = "all") -> float:
        """Mean over the classes that have images of the share of their images classified correctly."""
        n = self._per_class(self.n, domains, part)
        present = n > 0
        if not present.any():
            return float("nan")
        return float(np.mean(self._per_class(self.correct, domains, part)[present] / n[present]))

    def _per_class(self, values: np.ndarray, domains: str | Sequence[str] | None, part: str) -> np.ndarray:
        """(K,) sums over the chosen domains and splits."""
        if part not in _PARTS:
            raise unknown_choice("part of the split", part, _PARTS)
        names = self.domains if domains is None else (domains,) if isinstance(domains, str) else tuple(domains)
        for name in names:
            if name not in self.domains:
                raise unknown_choice("domain", name, self.domains)
        chosen = [self.domains.index(name) for name in dict.fromkeys(names)]
        summed: np.ndarray = values[chosen, _PARTS[part]].sum((0, 1))
        return summed


def scores(loss: np.ndarray, correct: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Number of images, mean loss, accuracy and balanced accuracy of one set of images; NaN when it is empty.

    Args:
        loss: (n,) nats.
        correct: (n,) bool.
        labels: (n,) class index.
    """
    if len(labels) == 0:
        return {"n": 0, "loss": float("nan"), "accuracy": float("nan"), "balanced_accuracy": float("nan")}
    n = np.bincount(labels)
    recall = np.bincount(labels, weights=correct)[n > 0] / n[n > 0]
    return {
        "n": len(labels),
        "loss": float(np.mean(loss, dtype=np.float64)),
        "accuracy": float(np.mean(correct)),
        "balanced_accuracy": float(np.mean(recall)),
    }


def _ratio(total: float, n: int) -> float:
    return float(total) / n if n else float("nan")
