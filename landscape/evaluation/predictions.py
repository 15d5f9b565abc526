"""What a network says about each image."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Predictions:
    """Results per image, in the order of `rows`.

    Attributes:
        rows: (n,) int64 index of each image in the data.
        loss: (n,) float64 cross entropy in nats; NaN where the logits were not numbers.
        correct: (n,) bool whether the largest logit was the label's.
        codes: (n, D) float32 latent codes on the evaluator's device, when they were asked for.
    """

    rows: np.ndarray
    loss: np.ndarray
    correct: np.ndarray
    codes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, chosen: np.ndarray) -> "Predictions":
        """The part of the images for which `chosen` (n,) bool holds."""
        kept = np.flatnonzero(chosen)
        codes = None if self.codes is None else self.codes[kept.tolist()]
        return Predictions(self.rows[kept], self.loss[kept], self.correct[kept], codes)
