"""Three checkpoints, and what they say about the paths that led to them and the mixup they learned with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Unpack

from torch import nn

from landscape.algorithms.catalogue import label_of
from landscape.checkpoint import Checkpoint
from landscape.data import Task
from landscape.files import Files
from landscape.mixture import has_policy
from landscape.opened import Opened, Reference, policy_of
from landscape.overrides import Changes
from landscape.storage import digest
from landscape.training import Run

Kind = Literal["raw", "swa"]


@dataclass(frozen=True)
class RecordedPath:
    """The files of one optimisation path.

    Attributes:
        label: the algorithm's name, told apart where two runs share it.
        kind: ``raw`` iterates or ``swa`` averages.
        points: step and file of each recorded point, in order.
    """

    label: str
    kind: Kind
    points: tuple[tuple[int, Path], ...]


@dataclass(frozen=True)
class Setting(Opened):
    """Checkpoints with everything that is needed to evaluate a plane: A, the origin, and B and C if it is theirs.

    Attributes:
        paths: the recorded paths of B's and C's runs.
        policy: the checkpoint whose mixup policy FGMix's train surface uses; None leaves that panel out.
    """

    paths: tuple[RecordedPath, ...] = ()
    policy: Checkpoint | None = None

    @classmethod
    def through(
        cls,
        a: Reference,
        b: Reference,
        c: Reference,
        data: Task | str | None = None,
        *,
        network: nn.Module | str | None = None,
        progress: bool = True,
        **changes: Unpack[Changes],
    ) -> "Setting":
        """Open the checkpoints as :meth:`Opened.open` does, and find their paths and their policy.

        Raises:
            InputError: see :meth:`Opened.open`.
        """
        return cls._of(Opened.open([a, b, c], data, network=network, progress=progress, **changes))

    @classmethod
    def around(
        cls,
        a: Reference,
        data: Task | str | None = None,
        *,
        network: nn.Module | str | None = None,
        progress: bool = True,
        **changes: Unpack[Changes],
    ) -> "Setting":
        """Open one checkpoint, for a plane of directions through it, with its run's paths and its policy.

        Raises:
            InputError: see :meth:`Opened.open`.
        """
        return cls._of(Opened.open([a], data, network=network, progress=progress, **changes))

    @classmethod
    def _of(cls, opened: Opened) -> "Setting":
        checkpoints, files = opened.checkpoints, opened.files
        paths, missing = _paths(checkpoints[1:] or checkpoints, files)
        policy, about_policy = _policy(checkpoints, files)
        notes = tuple(dict.fromkeys([*opened.notes, *missing, *about_policy]))
        return cls(**{**vars(opened), "notes": notes}, paths=paths, policy=policy)

    def digest(self) -> str:
        """A hash of everything that the values depend on: weights, data, network, policy, paths."""
        parts = [super().digest(), self.files.content(self.policy)]
        for path in self.paths:
            parts += [path.label, path.kind, *(f"{step}:{self.files.digest(file)}" for step, file in path.points)]
        return digest(*parts)


def _paths(checkpoints: Sequence[Checkpoint], files: Files) -> tuple[tuple[RecordedPath, ...], list[str]]:
    """Raw and averaged paths of the checkpoints' runs, as far as the checkpoint itself."""
    found: list[tuple[Run, Checkpoint]] = []
    notes = []
    for checkpoint in checkpoints:
        run = files.run_of(checkpoint)
        if run is None:
            notes.append(
                f"no path is drawn for {checkpoint.label}: it lies in no run's folder, or without that run's trunk"
            )
        elif all(run.folder != other.folder for other, _ in found):
            found.append((run, checkpoint))
    labels = [label_of(run.config.algorithm) for run, _ in found]
    if len(set(labels)) < len(labels):
        seeds = [run.config.seed for run, _ in found]
        told = (
            [f"seed {seed}" for seed in seeds] if len(set(seeds)) == len(seeds) else [r.folder.name for r, _ in found]
        )
        labels = [f"{label} {word}" for label, word in zip(labels, told, strict=True)]
    paths = []
    kinds: tuple[Kind, ...] = ("raw", "swa")
    for label, (run, checkpoint) in zip(labels, found, strict=True):
        for kind in kinds:
            points = tuple(point for point in run.checkpoints(kind) if point[0] <= checkpoint.step)
            if points:
                paths.append(RecordedPath(label, kind, points))
    return tuple(paths), notes


def _policy(checkpoints: Sequence[Checkpoint], files: Files) -> tuple[Checkpoint | None, list[str]]:
    """C's mixup policy, else the last one there is, at the raw iterate of its step."""
    owner = next((checkpoint for checkpoint in reversed(checkpoints) if has_policy(checkpoint)), None)
    if owner is None:
        return None, ["no checkpoint has a mixup policy, so the FGMix train loss is left out"]
    return policy_of(owner, files)
