"""From weights to every panel's value: one point of a surface."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from landscape.data import Task
from landscape.evaluation import Evaluator, Predictions, Tally, scores
from landscape.mixture import Mixture
from landscape.surface.surface import METRICS, SPLITS

Row = dict[str, Any]


class Meter:
    """Evaluates points of weight space on a task's entire data.

    Args:
        task: images, split and target.
        evaluator: of all of the task's images.
        mixture: groups and weights of FGMix's train loss; None leaves its panels out.
    """

    def __init__(self, task: Task, evaluator: Evaluator, mixture: Mixture | None = None) -> None:
        self.task, self.evaluator, self.mixture = task, evaluator, mixture
        self._train = np.isin(evaluator.rows, task.source_rows("in"))
        self._test = np.isin(evaluator.rows, task.target_rows())

    def at(self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> Row:
        """Every panel, and every metric per domain and split, at a point of weight space."""
        return self.row(self.evaluator.at(weights, buffers, codes=self.mixture is not None))

    def row(self, predictions: Predictions) -> Row:
        """The same from what the evaluator says, while it still holds that point's classifier."""
        labels = self.task.images.labels[predictions.rows]
        loss, correct = predictions.loss, predictions.correct
        train = scores(loss[self._train], correct[self._train], labels[self._train])
        test = scores(loss[self._test], correct[self._test], labels[self._test])
        panels = {
            "train_loss": train["loss"],
            "train_accuracy": train["accuracy"],
            "test_loss": test["loss"],
            "test_accuracy": test["accuracy"],
            "test_balanced_accuracy": test["balanced_accuracy"],
        }
        if self.mixture is not None and predictions.codes is not None:
            mixed = self.mixture.loss(predictions.codes, self.evaluator.classifier)
            n = int(train["n"])
            panels["mixup_loss"] = float(mixed.mean())
            # Eq. 2 with N originals and M codes: the mean over both together.
            panels["fgmix_train_loss"] = float((n * train["loss"] + mixed.sum()) / (n + len(mixed)))
        tally = Tally.of(predictions, self.task)
        measures = {"loss": tally.mean_loss, "accuracy": tally.accuracy, "balanced_accuracy": tally.balanced_accuracy}
        return {
            "panels": panels,
            **{
                name: [[measures[name](domain, split) for split in ("in", "out")] for domain in tally.domains]
                for name in METRICS
            },
        }


def panel_values(row: Row) -> dict[str, float]:
    """The panels of a row, fresh or read from a journal, where null stands for a loss that is not finite."""
    return {name: np.inf if value is None or np.isnan(value) else float(value) for name, value in row["panels"].items()}


def metric_values(row: Row, metric: str, n: np.ndarray) -> np.ndarray:
    """A metric of a row per domain and split, (D, 2): NaN where there are no images.

    Args:
        row: fresh, or read from a journal.
        metric: a name of :data:`~landscape.surface.surface.METRICS`.
        n: (D, 2) images.
    """
    values = np.array(row[metric], dtype=np.float64)
    assert values.shape == (len(n), len(SPLITS))
    values[np.isnan(values) & (n > 0)] = np.inf
    return values
