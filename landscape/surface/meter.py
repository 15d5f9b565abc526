"""From weights to every panel's value: one point of a surface."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.checkpoint import Checkpoint
from landscape.data import Task
from landscape.evaluation import Point, Predictions, Tally, scores
from landscape.fgmix import mix_codes
from landscape.mixture import Mixture
from landscape.surface.panels import METRICS
from landscape.surface.recipe import MixtureMode
from landscape.surface.sampling import Sample, stratum_masks
from landscape.surface.surface import SPLITS

Row = dict[str, Any]


class Source(Protocol):
    """What evaluates points: an :class:`~landscape.evaluation.Evaluator`, or its features kept."""

    rows: np.ndarray

    def at(
        self,
        weights: Mapping[str, Tensor] | Point | None = None,
        buffers: Mapping[str, Tensor] | None = None,
        *,
        codes: bool = False,
    ) -> Predictions:
        """Loss and correctness of every image at a point of weight space."""
        ...

    @property
    def classifier(self) -> nn.Module:
        """The classifier at the last weights."""
        ...


class MixupLoss:
    """FGMix's loss on mixup codes at any point of the surface.

    ``fixed_weights``: the groups' weights are the policy checkpoint's, the codes are mixed anew from each point's own
    latent codes (design default; FGMix paper, Figure 6). ``recompute``: the weights, too, follow from the policy
    at each point's codes and gradients. ``fixed_codes``: the codes are the policy checkpoint's, only the classifier
    moves.

    Args:
        task: gives the training images.
        mode: what stays fixed.
        policy: the checkpoint whose policy weighs.
        predictions: at that checkpoint, with codes.
        classifier: its classifier.

    Raises:
        InputError: the checkpoint has no policy, or no class is in every source.
    """

    def __init__(
        self, task: Task, mode: MixtureMode, policy: Checkpoint, predictions: Predictions, classifier: nn.Module
    ) -> None:
        assert predictions.codes is not None
        self.mode, self._task, self._policy, self._rows = mode, task, policy, predictions.rows
        self.mixture = Mixture.frozen(task, predictions.rows, predictions.codes, classifier, policy)
        if mode == "fixed_codes":
            with torch.no_grad():
                self._codes = mix_codes(predictions.codes, self.mixture.rows, self.mixture.weights)

    @torch.no_grad()
    def at(self, codes: Tensor, classifier: nn.Module) -> np.ndarray:
        """(M,) cross entropy of each mixup code in nats, float64."""
        if self.mode == "fixed_weights":
            return self.mixture.loss(codes, classifier)
        if self.mode == "recompute":
            with torch.enable_grad():
                anew = Mixture.frozen(self._task, self._rows, codes, classifier, self._policy)
            return anew.loss(codes, classifier)
        dtype = next((parameter.dtype for parameter in classifier.parameters()), self._codes.dtype)
        losses = [
            F.cross_entropy(classifier(part.to(dtype)).double(), labels, reduction="none")
            for part, labels in zip(self._codes.split(8192), self.mixture.labels.split(8192), strict=True)
        ]
        result: np.ndarray = torch.cat(losses).cpu().numpy()
        return result


class Meter:
    """Evaluates points of weight space on a task's data.

    Args:
        task: images, split and target.
        source: of all of the task's images, or of a sample of them.
        mixup: FGMix's loss on mixup codes; None leaves its panels out.
        sample: the strata behind the images, where they are a sample: panels then come with half of their 95 %
            interval.
    """

    def __init__(
        self, task: Task, source: Source, mixup: MixupLoss | None = None, *, sample: Sample | None = None
    ) -> None:
        self.task, self.source, self.mixup, self.sample = task, source, mixup, sample
        self._train = np.isin(source.rows, task.source_rows("in"))
        self._test = np.isin(source.rows, task.target_rows())
        self._strata = stratum_masks(sample, task) if sample is not None else None

    def at(self, weights: Mapping[str, Tensor] | Point, buffers: Mapping[str, Tensor]) -> Row:
        """Every panel, and every metric per domain and split, at a point of weight space."""
        return self.row(self.source.at(weights, buffers, codes=self.mixup is not None))

    def row(self, predictions: Predictions) -> Row:
        """The same from what the evaluator says, while it still holds that point's classifier."""
        panels, half = self._plain(predictions)
        if self.mixup is not None and predictions.codes is not None:
            mixed = self.mixup.at(predictions.codes, self.source.classifier)
            n = len(self.task.source_rows("in"))
            m = n * len(mixed) / max(int(self._train.sum()), 1)  # codes that all images would make
            panels["mixup_loss"] = float(mixed.mean())
            # Eq. 2 with N originals and M codes: the mean over both together.
            panels["fgmix_train_loss"] = float((n * panels["train_loss"] + m * mixed.mean()) / (n + m))
            if half:
                half["mixup_loss"] = float(1.96 * mixed.std(ddof=1) / np.sqrt(len(mixed)))
                # Codes are made of the same images: the two halves may add up.
                half["fgmix_train_loss"] = float((n * half["train_loss"] + m * half["mixup_loss"]) / (n + m))
        row = {"panels": panels, **self._metrics(predictions)}
        return {**row, "half": half} if half else row

    def _plain(self, predictions: Predictions) -> tuple[dict[str, float], dict[str, float]]:
        loss, correct = predictions.loss, predictions.correct.astype(np.float64)
        if self.sample is None or self._strata is None:
            labels = self.task.images.labels[predictions.rows]
            train = scores(loss[self._train], predictions.correct[self._train], labels[self._train])
            test = scores(loss[self._test], predictions.correct[self._test], labels[self._test])
            return {
                "train_loss": train["loss"],
                "train_accuracy": train["accuracy"],
                "test_loss": test["loss"],
                "test_accuracy": test["accuracy"],
                "test_balanced_accuracy": test["balanced_accuracy"],
            }, {}
        train_strata, test_strata = self._strata
        found = {
            "train_loss": self.sample.estimate(loss, train_strata),
            "train_accuracy": self.sample.estimate(correct, train_strata),
            "test_loss": self.sample.estimate(loss, test_strata),
            "test_accuracy": self.sample.estimate(correct, test_strata),
            "test_balanced_accuracy": self.sample.estimate(correct, test_strata, "classes"),
        }
        return {name: each[0] for name, each in found.items()}, {name: each[1] for name, each in found.items()}

    def _metrics(self, predictions: Predictions) -> Row:
        if self.sample is None:
            tally = Tally.of(predictions, self.task)
            of = {"loss": tally.mean_loss, "accuracy": tally.accuracy, "balanced_accuracy": tally.balanced_accuracy}
            return {
                name: [[of[name](domain, split) for split in ("in", "out")] for domain in tally.domains]
                for name in METRICS
            }
        sample, domains = self.sample, range(len(self.task.images.domains))
        strata = [[(sample.domain == d) & (sample.held_out == out) for out in (False, True)] for d in domains]
        correct = predictions.correct.astype(np.float64)

        def each(values: np.ndarray, weighting: Literal["images", "classes"]) -> list[list[float]]:
            return [[sample.estimate(values, mask, weighting)[0] for mask in row] for row in strata]

        return {
            "loss": each(predictions.loss, "images"),
            "accuracy": each(correct, "images"),
            "balanced_accuracy": each(correct, "classes"),
        }


def panel_values(row: Row, what: Literal["panels", "half"] = "panels") -> dict[str, float]:
    """The panels of a row, fresh or read from a journal, where null stands for a loss that is not finite."""
    values = row.get(what, {})
    return {name: np.inf if value is None or np.isnan(value) else float(value) for name, value in values.items()}


def metric_values(row: Row, metric: str, n: np.ndarray) -> np.ndarray:
    """A metric of a row per domain and split, (D, 2): NaN where there are no images.

    Args:
        row: fresh, or read from a journal.
        metric: a name of :data:`~landscape.surface.panels.METRICS`.
        n: (D, 2) images.
    """
    values = np.array(row[metric], dtype=np.float64)
    assert values.shape == (len(n), len(SPLITS))
    values[np.isnan(values) & (n > 0)] = np.inf
    return values
