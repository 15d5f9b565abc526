"""What is refused before a run's first step, and what stops it later."""

import json
import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from landscape.config import RunConfig
from landscape.data import Task
from landscape.data.task import domains_of_run
from landscape.errors import InputError
from landscape.training.run import Run
from landscape.training.state import saved_step


class TrainingDiverged(InputError):
    """The loss or the weights are not finite any more."""


def check_method(config: RunConfig, present: Mapping[str, set[int]]) -> None:
    """Whether the domains have what the method needs, and whether the run gets as far as the method begins.

    Args:
        config: the run.
        present: source -> the classes that it has training images of.

    Raises:
        InputError: too few domains, a T0 behind the last step, or nothing to mix.
    """
    row, views = config.method, config.views_per_image
    row.check(tuple(present), views)
    if not config.uses_mixup:
        return
    mixup, domains = config.mixup, len(present) * views
    if mixup.start > config.steps:
        raise InputError(
            f"{row.label} starts to mix at step {mixup.start} (T0), but the run ends at step {config.steps}: all of it "
            "would be plain ERM. Give more --steps, a smaller --mixup.start, or --algorithm erm."
        )
    if mixup.domains_per_mixup > domains:
        kind = "sources" if views == 1 else "domains"
        raise InputError(f"--mixup.domains-per-mixup is {mixup.domains_per_mixup}, but there are {domains} {kind}.")
    if views == 1 and not any(first & second for first, second in combinations(present.values(), 2)):
        raise InputError(
            f"{row.label} mixes images of one class from different sources, but no two sources share a class."
        )


def check_task(config: RunConfig, task: Task) -> None:
    """Whether a task that is open already is the one that the configuration names.

    Raises:
        InputError: it trains on other domains, or leaves others out.
    """
    wanted = domains_of_run(config, task.images)
    if wanted != (task.sources, task.targets):
        words = [
            f"{', '.join(sources)} to train on, {', '.join(targets)} unseen"
            for sources, targets in (wanted, (task.sources, task.targets))
        ]
        raise InputError(
            f"the configuration has {words[0]}, but the task that was given has {words[1]}; open it with "
            "open_task(config)."
        )


def checked_metrics(metrics: Any, config: RunConfig) -> dict[str, Tensor]:
    """What an update returned, if it is what the loop needs.

    Raises:
        InputError: it is something else; of a method of the user's own.
    """
    if not isinstance(metrics, dict) or not isinstance(metrics.get("loss"), Tensor):
        raise InputError(
            f"update of {config.algorithm} returned {type(metrics).__name__}; expected a dictionary of scalar tensors, "
            "'loss' among them."
        )
    if wrong := [name for name, value in metrics.items() if not isinstance(value, Tensor) or value.numel() != 1]:
        raise InputError(f"update of {config.algorithm} returned {wrong[0]!r} that is no tensor of one number.")
    return metrics


def check_same_data(run: Run | None, task: Task) -> None:
    """Whether the images are those of a run's beginning: else it would become a mixture of two.

    Raises:
        InputError: they have changed.
    """
    if run is None or not (run.folder / "config.json").is_file():
        return
    stored = json.loads((run.folder / "config.json").read_text())["task"]["split_digest"]
    if stored != task.split.digest:
        raise InputError(
            f"the images of {task.images.name} or their split have changed since {run.folder} was trained; "
            "restore them, give another --root, or delete that folder."
        )


def check_steps(run: Run) -> None:
    """Whether a run is no further than what is asked for: it is not cut back.

    Raises:
        InputError: it is.
    """
    further = max([saved_step(run.resume_path), *(step for step, _ in run.recorded("raw"))])
    if further > run.config.steps:
        steps = ", ".join(str(step) for step, _ in run.recorded("raw"))
        raise InputError(
            f"{run.folder} is {further} steps long already and has no checkpoint at step {run.config.steps}; "
            f"ask for a step that was recorded ({steps}), or for more than {further}."
        )


def check_finite(loss: float, step: int, run: Run) -> None:
    """Whether a step's loss is a number.

    Raises:
        TrainingDiverged: it is not.
    """
    if not math.isfinite(loss):
        raise _diverged(f"the loss became {loss} at step {step}", run)


def check_weights(network: torch.nn.Module, step: int, run: Run) -> None:
    """Whether all weights are finite.

    Raises:
        TrainingDiverged: they are not.
    """
    if not all(bool(torch.isfinite(p).all()) for p in network.parameters()):
        raise _diverged(f"weights became infinite or not a number at step {step}", run)


def _diverged(what: str, run: Run) -> TrainingDiverged:
    recorded = run.checkpoints()
    last = f"the last good checkpoint is {recorded[-1][1]}" if recorded else "no checkpoint was recorded before it"
    hint = "Try a smaller --lr"
    if run.config.uses_mixup:
        hint += ", a smaller --mixup.scale-init or a larger --mixup.eta (less extrapolation)"
    if run.config.precision == "bf16":
        hint += ", or --precision fp32"
    return TrainingDiverged(f"{what}; {last}. {hint}.")
