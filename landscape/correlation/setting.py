"""A checkpoint whose compatibility score was trained on gradients, opened with its network and data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from torch import nn

from landscape.algorithms.catalogue import label_of
from landscape.checkpoint import Checkpoint
from landscape.data import Task
from landscape.errors import InputError
from landscape.fgmix import VARIANTS
from landscape.files import Files
from landscape.opened import Opened, Reference, policy_of
from landscape.overrides import Changes


@dataclass(frozen=True)
class Setting(Opened):
    """The raw iterate of a run with a learned score S_phi, ready to be evaluated."""

    @classmethod
    def at(
        cls,
        reference: Reference,
        data: Task | str | None = None,
        *,
        network: nn.Module | str | None = None,
        progress: bool = True,
        **changes: Unpack[Changes],
    ) -> "Setting":
        """Open the raw iterate that a reference names; for an averaged checkpoint the one beside it.

        S_phi learned from gradients of the raw iterates; those of averaged weights are others.

        Args:
            reference: a checkpoint file, ``RUN[@STEP|@swa]``, or a checkpoint.
            data: an open task, or the name of the data, in place of the checkpoint's own.
            network: a module, or a model's name.
            progress: show a bar while images are decoded.
            changes: ``root``, ``target`` and so on; see :meth:`Opened.open`.

        Raises:
            InputError: its score was never trained on gradients, there are fewer than two sources, or see
                :meth:`Opened.open`.
        """
        files = Files()
        if isinstance(reference, str | Path):
            reference = files.load(reference, changes.get("root", "checkpoints"))
        if not isinstance(reference, Checkpoint):
            raise InputError(f"got bare weights, which {_NO_SCORE}; {_EXPECTED}.")
        check_score(reference)
        raw, notes = policy_of(reference, files)
        opened = Opened.open([raw], data, network=network, progress=progress, files=files, **changes)
        if len(opened.task.sources) < 2:
            raise InputError(
                f"{opened.task.images.name} has one source domain beside the target {opened.task.target}; scores are "
                "compared across at least two."
            )
        if raw.kind == "swa":
            # policy_of says so in words of the surface.
            notes = [f"gradients are taken at the averaged weights {raw.label}, as the raw iterate is not beside them"]
        mixed = raw.config.mixup.domains_per_mixup if raw.config else 0
        if mixed not in (0, len(opened.task.sources)):
            notes.append(
                f"training mixed {mixed} sources at a time; the groups here have one image of each of the "
                f"{len(opened.task.sources)}"
            )
        return cls(**{**vars(opened), "notes": tuple(dict.fromkeys([*opened.notes, *notes]))})

    @property
    def checkpoint(self) -> Checkpoint:
        """The raw iterate."""
        return self.checkpoints[0]

    @property
    def policy_steps(self) -> int:
        """Updates that S_phi has had, ``step - T0 + 1``."""
        assert self.checkpoint.config is not None  # check_score
        return self.checkpoint.step - self.checkpoint.config.mixup.start + 1


_NO_SCORE = "have no compatibility score S"
_EXPECTED = "expected a checkpoint of FGMix or of variant E at step T0 or later"


def check_score(checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint whose compatibility score S was never trained on gradients.

    Raises:
        InputError: it is a bare state dict, of ERM or of a trunk (no S), of variants A0 to D (no S), of F (its S
            compares latent codes), or from before T0 (its S is untrained).
    """
    config = checkpoint.config
    if config is None:
        raise InputError(f"{checkpoint.label} is a bare state dict, whose weights {_NO_SCORE}; {_EXPECTED}.")
    name = label_of(config.algorithm)
    if not config.uses_mixup:
        raise InputError(
            f"{checkpoint.label} is a checkpoint of {name}, which learns no score S (nor does any run before T0); "
            f"{_EXPECTED}."
        )
    variant = VARIANTS[config.algorithm]
    if not variant.learned:
        kind = {"one-hot": "copies", "dirichlet": "random weights"}.get(variant.weights, "cosine similarities")
        raise InputError(
            f"{checkpoint.label} is a checkpoint of variant {name}, which uses {kind} and learns no score S; "
            f"{_EXPECTED}."
        )
    if not variant.needs_gradients:
        raise InputError(
            f"{checkpoint.label} is a checkpoint of variant {name}, whose score S compares latent codes and was never "
            f"trained on gradients; {_EXPECTED}."
        )
    if checkpoint.step < config.mixup.start:
        raise InputError(
            f"the score S of {checkpoint.label} has never been trained: step {checkpoint.step} comes before "
            f"T0 = {config.mixup.start}; give a later checkpoint of the run."
        )
