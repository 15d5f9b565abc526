"""Checkpoints of several methods, with the mixup policies that their losses need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
from torch import nn

from landscape.algorithms.catalogue import label_of
from landscape.checkpoint import Checkpoint
from landscape.data import Task
from landscape.data.strata import stratified
from landscape.errors import InputError
from landscape.mixture import has_policy
from landscape.opened import Opened, Reference, policy_of
from landscape.overrides import Changes
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
        groups_from: Reference | None = None,
        subset: int | None = None,
        subset_seed: int = 0,
        progress: bool = True,
        **changes: Unpack[Changes],
    ) -> "Setting":
        """Open the checkpoints as :meth:`Opened.open` does, and find their policies.

        Args:
            references: checkpoints, see :meth:`Opened.open`.
            data: likewise.
            network: likewise.
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
        opened = Opened.open([*references, *extra], data, network=network, progress=progress, **changes)
        checkpoints = opened.checkpoints[: len(references)]
        notes = list(opened.notes)
        policies: list[Checkpoint | None] = []
        for checkpoint in checkpoints:
            policy, about = policy_of(checkpoint, opened.files) if has_policy(checkpoint) else (None, [])
            policies.append(policy)
            notes += about
        groups = next((policy for policy in reversed(policies) if policy is not None), None)
        if groups_from is not None:
            groups, about = policy_of(opened.checkpoints[-1], opened.files)
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
        policies = [self.files.content(policy) for policy in (*self.policies, self.groups)]
        return digest(super().digest(), *policies, self.images.tobytes())

    @property
    def images(self) -> np.ndarray:
        """(n,) rows of the training images that the losses are taken over."""
        return self.task.source_rows("in") if self.rows is None else self.rows


def _methods(checkpoints: Sequence[Checkpoint], names: Sequence[str]) -> tuple[str, ...]:
    """``FGMix + SWA``; where two share that, with the seed or the step, else with a number."""
    short, seeded = [], []
    for checkpoint, name in zip(checkpoints, names, strict=True):
        config = checkpoint.config if checkpoint.step else None
        average = " + SWA" if checkpoint.kind == "swa" else ""
        short.append(label_of(config.algorithm) + average if config else name)
        seeded.append(f"{short[-1]}, seed {config.seed}" if config else name)
    for candidates in (short, seeded, list(names)):
        if len(set(candidates)) == len(candidates):
            return tuple(candidates)
    return tuple(
        f"{name} ({short[: i + 1].count(name)})" if short.count(name) > 1 else name for i, name in enumerate(short)
    )
