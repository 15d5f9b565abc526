"""Checkpoints of several methods, with the mixup policies that their losses need."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape.checkpoint import Checkpoint
from landscape.config import DISPLAY_NAMES
from landscape.data import Task, normalise
from landscape.data.strata import stratified
from landscape.errors import InputError
from landscape.mixture import has_policy
from landscape.models.network import IMAGENET_MEAN, IMAGENET_STD, colour
from landscape.opened import Opened, Reference, content_digest, policy_of
from landscape.storage import digest


@dataclass(frozen=True)
class Setting(Opened):
    """Checkpoints to compare, each with the policy of its own mixup, and one policy for all of them.

    Attributes:
        methods: a short name of each checkpoint, unique.
        policies: the raw iterate that weighs a checkpoint's own mixup codes; None for ERM.
        groups: the checkpoint that freezes the groups and weights which all methods share; None without mixup.
        rows: training images that the losses are taken over.
    """

    methods: tuple[str, ...] = ()
    policies: tuple[Checkpoint | None, ...] = ()
    groups: Checkpoint | None = None
    rows: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        references: Sequence[Reference],
        data: Task | str | None = None,
        *,
        network: nn.Module | str | None = None,
        root: Path | str = "checkpoints",
        groups_from: Reference | None = None,
        subset: int | None = None,
        subset_seed: int = 0,
        progress: bool = True,
        **changes: Any,
    ) -> "Setting":
        """Open the checkpoints as :meth:`Opened.open` does, and find their policies.

        Args:
            references: checkpoints, see :meth:`Opened.open`.
            data: likewise.
            network: likewise.
            root: likewise.
            groups_from: the checkpoint whose policy weighs the mixup codes that all methods share; by default
                the last one that has a policy.
            subset: use about this many training images, stratified by domain and class.
            subset_seed: of that choice.
            progress: show a bar while images are decoded.
            changes: see :meth:`Opened.open`.

        Raises:
            InputError: see :meth:`Opened.open`; `groups_from` has no policy, or the subset is empty.
        """
        if not references:
            raise InputError("got no checkpoint; expected at least one: a file, or RUN[@STEP|@swa].")
        extra = [] if groups_from is None else [groups_from]
        opened = Opened.open([*references, *extra], data, network=network, root=root, progress=progress, **changes)
        checkpoints = opened.checkpoints[: len(references)]
        notes = list(opened.notes)
        policies: list[Checkpoint | None] = []
        for checkpoint in checkpoints:
            policy, about = policy_of(checkpoint) if has_policy(checkpoint) else (None, [])
            policies.append(policy)
            notes += about
        groups = next((policy for policy in reversed(policies) if policy is not None), None)
        if groups_from is not None:
            groups, about = policy_of(opened.checkpoints[-1])
            notes += about
        rows = opened.task.source_rows("in")
        if subset is not None and subset < len(rows):
            rows = stratified(opened.task, rows, subset, seed=subset_seed)
        names = opened.names[: len(references)]
        methods = _methods(checkpoints, names)
        return cls(
            **{
                **vars(opened),
                "checkpoints": checkpoints,
                "names": names,
                "notes": tuple(dict.fromkeys(notes)),
            },
            methods=methods,
            policies=tuple(policies),
            groups=groups,
            rows=rows,
        )

    def digest(self) -> str:
        """A hash of everything that the losses depend on: weights, data, network, policies, images."""
        policies = [content_digest(policy) if policy else "" for policy in (*self.policies, self.groups)]
        return digest(super().digest(), *policies, self.images.tobytes())

    @property
    def images(self) -> np.ndarray:
        """(n,) rows of the training images that the losses are taken over."""
        return self.task.source_rows("in") if self.rows is None else self.rows


def batches_of(
    task: Task, rows: np.ndarray, network: nn.Module, device: torch.device, *, size: int = 64
) -> list[tuple[Tensor, Tensor]]:
    """Normalised images and labels on a device, in batches, for what has to be differentiated.

    Args:
        task: gives the images.
        rows: (n,) which of them.
        network: whose input normalisation is used.
        device: where to.
        size: images a batch.
    """
    images = task.images
    mean = colour(getattr(network, "mean", IMAGENET_MEAN), "mean")
    std = colour(getattr(network, "std", IMAGENET_STD), "std")
    return [
        (
            normalise(torch.from_numpy(images.pixels[part]).to(device), mean, std),
            torch.from_numpy(images.labels[part]).to(device),
        )
        for part in (rows[start : start + size] for start in range(0, len(rows), size))
    ]


def _methods(checkpoints: Sequence[Checkpoint], names: Sequence[str]) -> tuple[str, ...]:
    """``FGMix + SWA``; where two share that, with the seed or the step, else with a number."""
    short, seeded = [], []
    for checkpoint, name in zip(checkpoints, names, strict=True):
        config = checkpoint.config if checkpoint.step else None
        average = " + SWA" if checkpoint.kind == "swa" else ""
        short.append(DISPLAY_NAMES[config.algorithm] + average if config else name)
        seeded.append(f"{short[-1]}, seed {config.seed}" if config else name)
    for candidates in (short, seeded, list(names)):
        if len(set(candidates)) == len(candidates):
            return tuple(candidates)
    return tuple(
        f"{name} ({short[: i + 1].count(name)})" if short.count(name) > 1 else name for i, name in enumerate(short)
    )
