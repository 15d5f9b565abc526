"""What a run keeps of its trajectory: checkpoints, each with its evaluation."""

from typing import Any

import numpy as np
import torch

from landscape.algorithms import Algorithm
from landscape.checkpoint import Checkpoint
from landscape.data import Task, augmentation_of, augmented_pixels
from landscape.evaluation import Evaluator, scores
from landscape.training.averaging import WeightAverage
from landscape.training.run import Kind, Run


class Recorder:
    """Saves the points that planes and figures need, and evaluates them.

    Source validation (the sources' out-split, the mean over domains as in DomainBed) is what selection may
    use. The target's scores are recorded for reporting only; nothing in training reads them.

    Args:
        run: where to write.
        task: images, split and target.
        algorithm: its network is the raw iterate.
        average: its network is the SWA iterate.
    """

    def __init__(self, run: Run, task: Task, algorithm: Algorithm, average: WeightAverage) -> None:
        self.run, self.task, self.algorithm, self.average = run, task, algorithm, average
        config = run.config
        validation = task.source_rows("out")
        target = np.concatenate([task.target_rows(name) for name in task.targets])
        self.rows = np.concatenate([validation, target])
        pixels, labels, rows = task.images.pixels, task.images.labels, self.rows
        if config.augment_validation:
            augmented = augmented_pixels(
                task.images, validation, seed=config.seed, augmentation=augmentation_of(config)
            )
            pixels, labels = np.concatenate([augmented, pixels[target]]), labels[rows]
            rows = np.arange(len(rows))
        self.evaluator = Evaluator(
            algorithm.network,
            pixels,
            labels,
            rows=rows,
            device=algorithm.device,
        )

    def record(self, step: int) -> dict[str, Any]:
        """Save and evaluate the raw iterate and, once it exists, the average. Returns the raw one's scores."""
        raw = self._save(step, "raw", self.algorithm.network)
        if self.average.count:
            if self.algorithm.network.batch_norm == "train":
                self.average.recompute_batch_norm(self.task)
            self._save(step, "swa", self.average.network)
        return raw

    def _save(self, step: int, kind: Kind, network: torch.nn.Module) -> dict[str, Any]:
        predictions = self.evaluator.at(dict(network.named_parameters()), dict(network.named_buffers()))
        metrics = task_scores(predictions.loss, predictions.correct, self.task, self.rows)
        Checkpoint(
            model=network.state_dict(),
            algorithm=self.algorithm.tensors(),
            config=self.run.config,
            step=step,
            kind=kind,
            classes=self.task.images.classes,
            domains=self.task.images.domains,
            split_digest=self.task.split.digest,
            metrics=metrics,
        ).save(self.run.path(step, kind))
        self.run.journal.append({"step": step, "event": "evaluation", "kind": kind, **metrics})
        return metrics


def task_scores(loss: np.ndarray, correct: np.ndarray, task: Task, rows: np.ndarray) -> dict[str, Any]:
    """Scores of per-image results: source validation (mean over domains), target, seen and unseen concepts.

    Of several targets ``target`` is the mean over them too, and ``target_per_domain`` has each.

    Args:
        loss: (n,) nats.
        correct: (n,) bool.
        task: what the rows belong to.
        rows: (n,) image indices.
    """
    labels, domain = task.images.labels[rows], task.images.domain[rows]
    held_out, seen = task.split.held_out[rows], task.seen()

    def part(name: str, chosen: np.ndarray | bool = True) -> dict[str, float]:
        which = (domain == task.images.domains.index(name)) & chosen
        return scores(loss[which], correct[which], labels[which])

    per_domain = {name: part(name, held_out) for name in task.sources}
    validation = _mean(per_domain)
    del validation["n"]
    result: dict[str, Any] = {"validation": validation, "validation_per_domain": per_domain}
    parts: dict[str, np.ndarray | bool] = {"target": True}
    if seen is not None:
        parts |= {"target_seen": seen[rows], "target_unseen": ~seen[rows]}
    for word, chosen in parts.items():
        per_target = {name: part(name, chosen) for name in task.targets}
        result[word] = per_target[task.targets[0]] if len(per_target) == 1 else _mean(per_target)
        if len(per_target) > 1:
            result[f"{word}_per_domain"] = per_target
    return result


def _mean(per_domain: dict[str, dict[str, float]]) -> dict[str, float]:
    """The mean over the domains that have an image (a small source may have none held out), and all images' number."""
    judged = [values for values in per_domain.values() if values["n"]]
    names = ("accuracy", "balanced_accuracy", "loss")
    mean = {name: float(np.mean([values[name] for values in judged])) if judged else np.nan for name in names}
    return {**mean, "n": sum(values["n"] for values in judged)}
