"""Checkpoints opened for analysis: with the network and the data that they belong to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from landscape.checkpoint import Checkpoint
from landscape.config import DISPLAY_NAMES, RunConfig
from landscape.data import Task, open_task
from landscape.errors import InputError
from landscape.mixture import has_policy
from landscape.models import build_network
from landscape.models.renaming import fit_names
from landscape.seeding import torch_seed
from landscape.storage import digest, file_digest
from landscape.training import Run, resolve

Reference = str | Path | Checkpoint | Mapping[str, Tensor]
# What decides which images there are and how they are split.
_SPLIT = ("data", "domains", "split", "seed")


@dataclass(frozen=True)
class Opened:
    """Checkpoints of one network and one task, ready to be evaluated.

    Attributes:
        checkpoints: in the order they were given.
        names: what they are called in words (``ERM + SWA, step 160``).
        network: their architecture; its weights are no checkpoint's.
        model: its name.
        task: images, split and target.
        seeds: trial seeds of the runs.
        notes: what the reader should know, in sentences.
    """

    checkpoints: tuple[Checkpoint, ...]
    names: tuple[str, ...]
    network: nn.Module
    model: str
    task: Task
    seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        references: Sequence[Reference],
        data: Task | str | None = None,
        *,
        network: nn.Module | str | None = None,
        root: Path | str = "checkpoints",
        progress: bool = True,
        **changes: Any,
    ) -> "Opened":
        """Read the checkpoints, build their network, open their data.

        Network, data, target and split come from the checkpoints' metadata and have to agree.

        Args:
            references: checkpoint files, ``RUN[@STEP|@swa]``, checkpoints, or mappings of weights.
            data: an open task, or the name of the data, in place of the checkpoints' own.
            network: a module, or a model's name; needed for bare weights and for a model of the user's own.
            root: folder of the run folders.
            progress: show a bar while images are decoded.
            changes: fields of :class:`~landscape.config.RunConfig` to replace (``target``, ``image_size`` ...).

        Raises:
            InputError: a file that cannot be read, checkpoints that disagree, data that differ from those of
                training, or bare weights without a network and data.
        """
        checkpoints = [_load(reference, root) for reference in references]
        changes = {name: value for name, value in changes.items() if value is not None}
        if isinstance(data, str):
            changes["data"] = data
        if isinstance(network, str):
            changes["model"] = network
        notes = [note for checkpoint in checkpoints for note in checkpoint.notes]
        config = _common_config(checkpoints, changes, own_task=isinstance(data, Task), own_network=network is not None)
        task = data if isinstance(data, Task) else open_task(config, progress=progress)
        chosen = isinstance(data, Task) or not changes.keys().isdisjoint(_SPLIT)
        notes += _check_task(checkpoints, task, chosen=chosen)
        if isinstance(network, nn.Module):
            module, model = network, str(getattr(network, "name", type(network).__name__))
        else:
            module, model = _build(config, len(task.images.classes), trusted="model" in changes), config.model
        renamed = [_under_its_names(checkpoint, module) for checkpoint in checkpoints]
        notes += [note for _, note in renamed if note]
        checkpoints = [checkpoint for checkpoint, _ in renamed]
        if isinstance(network, nn.Module):
            checkpoints = [_with_buffers(checkpoint, module) for checkpoint in checkpoints]
        return cls(
            checkpoints=tuple(checkpoints),
            names=tuple(_words(checkpoint) for checkpoint in checkpoints),
            network=module,
            model=model,
            task=task,
            seeds=tuple(sorted({each.config.seed for each in checkpoints if each.config})),
            notes=tuple(dict.fromkeys(notes)),
        )

    def digest(self) -> str:
        """A hash of weights, data, network: of everything that an evaluation of the checkpoints depends on."""
        parts = [content_digest(checkpoint) for checkpoint in self.checkpoints]
        parts += [self.task.images.digest, self.task.split.digest, self.task.target, str(self.image_size)]
        # A representation may hold addresses, which change from call to call.
        return digest(*parts, self.model, re.sub(r" at 0x[0-9a-fA-F]+", "", repr(self.network)))

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return int(self.task.images.pixels.shape[1])


def run_of(checkpoint: Checkpoint) -> Run | None:
    """The run in whose folder a checkpoint lies, if it lies in one that can be read.

    A copied folder whose trunk stayed behind, or whose ``config.json`` is damaged, is none: the checkpoint itself says
    all that an analysis needs.
    """
    if checkpoint.config is None or checkpoint.path is None:
        return None
    try:
        return Run.open(checkpoint.path.parent)
    except (InputError, KeyError, TypeError, ValueError):
        return None


def policy_of(checkpoint: Checkpoint) -> tuple[Checkpoint, list[str]]:
    """The raw iterate beside a checkpoint with a mixup policy, where its mixing weights are taken, and notes.

    The policy was trained beside the raw iterates; an averaged network's gradients are others.

    Raises:
        InputError: the checkpoint has no policy.
    """
    if not has_policy(checkpoint) or checkpoint.config is None:
        raise InputError(f"{checkpoint.label} has no mixup policy; expected a checkpoint of FGMix or of a variant.")
    notes = []
    if checkpoint.step < checkpoint.config.mixup.start:
        start = checkpoint.config.mixup.start
        notes.append(f"the mixup policy of {checkpoint.label} has not been trained yet (T0 is {start})")
    if checkpoint.kind == "raw":
        return checkpoint, notes
    run = run_of(checkpoint)
    raw = dict(run.checkpoints("raw")).get(checkpoint.step) if run else _raw_beside(checkpoint)
    if raw is None:
        return checkpoint, [
            *notes,
            f"mixing weights are taken at {checkpoint.label}, as its raw iterate is not beside it",
        ]
    return Checkpoint.load(raw), notes


def _raw_beside(checkpoint: Checkpoint) -> Path | None:
    """The raw iterate of the same step in a run's folder that was copied without its trunk."""
    if checkpoint.config is None or checkpoint.path is None:
        return None
    folder = checkpoint.path.parent
    raw = Run(folder, checkpoint.config).path(checkpoint.step)
    return raw if raw.is_file() and (folder / "config.json").is_file() else None


def same_file(first: Checkpoint | None, second: Checkpoint | None) -> bool:
    """Whether two checkpoints are one: the same file, or the same object where there is no file."""
    if first is None or second is None:
        return False
    if first.path is None or second.path is None:
        return first is second
    return first.path.resolve() == second.path.resolve()


def _load(reference: Reference, root: Path | str) -> Checkpoint:
    if isinstance(reference, Checkpoint):
        return reference
    if isinstance(reference, Mapping):
        return Checkpoint(model=dict(reference))
    return Checkpoint.load(resolve(reference, root))


def _under_its_names(checkpoint: Checkpoint, network: nn.Module) -> tuple[Checkpoint, str]:
    """A bare state dict under the names of the network, and a note where they were others."""
    if checkpoint.config is not None:
        return checkpoint, ""
    model, note = fit_names(checkpoint.model, network, checkpoint.label, buffers=checkpoint.path is not None)
    return (replace(checkpoint, model=model), note) if note else (checkpoint, "")


def _with_buffers(checkpoint: Checkpoint, network: nn.Module) -> Checkpoint:
    """Plain weights say nothing of buffers: those are the given network's."""
    if checkpoint.config is not None or checkpoint.path is not None:
        return checkpoint
    return replace(checkpoint, model={**dict(network.named_buffers()), **checkpoint.model})


def _words(checkpoint: Checkpoint) -> str:
    if checkpoint.config is None:
        return checkpoint.path.name if checkpoint.path else "weights"
    if checkpoint.step == 0:
        return "initialisation"
    average = " + SWA" if checkpoint.kind == "swa" else ""
    return f"{DISPLAY_NAMES[checkpoint.config.algorithm]}{average}, step {checkpoint.step}"


def _common_config(
    checkpoints: Sequence[Checkpoint], changes: Mapping[str, Any], *, own_task: bool, own_network: bool
) -> RunConfig:
    """The one configuration of network and data that the checkpoints share, with the user's changes."""
    bare = [checkpoint for checkpoint in checkpoints if checkpoint.config is None]
    if bare:
        given = {"--model": own_network, "--data": own_task or "data" in changes}
        given["--target"] = own_task or "target" in changes
        if lacking := [flag for flag, there in given.items() if not there]:
            raise InputError(
                f"{bare[0].label} is a bare state dict: it does not say which network and data it belongs to; "
                f"give {' and '.join(lacking)} (and --image-size, if it is not {RunConfig().image_size})."
            )
    fields = [] if own_network else ["model", "head"]
    if not own_task:
        fields += [name for name in ("image_size", "target") if name not in changes]
        if changes.keys().isdisjoint(_SPLIT):
            fields += [*_SPLIT, "split_digest"]
    first, *others = [checkpoint for checkpoint in checkpoints if checkpoint.config is not None] or checkpoints[:1]
    for other in others:
        _check_agreement(first, other, fields)
    return (first.config or RunConfig(weights="none")).replace(**changes)


def _check_agreement(first: Checkpoint, other: Checkpoint, fields: Sequence[str]) -> None:
    # The same images under another path, or another seed with the same split, are the same data.
    same_split = bool(first.split_digest) and first.split_digest == other.split_digest
    for name in fields:
        if same_split and name in _SPLIT:
            continue
        if name == "split_digest":
            mine, theirs = first.split_digest, other.split_digest
        else:
            mine, theirs = getattr(first.config, name), getattr(other.config, name)
        if mine != theirs:
            why = {"seed": " (so their validation splits differ)", "split_digest": " (other images or another split)"}
            raise InputError(
                f"{first.label} and {other.label} disagree on {name}: {mine!r} and {theirs!r}{why.get(name, '')}; "
                "give checkpoints of one network and one task."
            )


def _check_task(checkpoints: Sequence[Checkpoint], task: Task, *, chosen: bool) -> list[str]:
    """Whether the data opened here are those of training; different ones only if the user chose them."""
    notes = []
    for checkpoint in checkpoints:
        if checkpoint.classes and checkpoint.classes != task.images.classes:
            raise InputError(
                f"{checkpoint.label} was trained on the classes {_few(checkpoint.classes)}, but {task.images.name} has "
                f"{_few(task.images.classes)}; give data with the same classes."
            )
        if checkpoint.split_digest and checkpoint.split_digest != task.split.digest:
            if not chosen:
                raise InputError(
                    f"the images of {task.images.name} here are not those that {checkpoint.label} was trained on "
                    "(their listing or split differs); restore them, or name the data to evaluate on by --data."
                )
            notes.append("the images or their split differ from those of training, as asked for by --data")
        if checkpoint.config and checkpoint.config.target != task.target:
            notes.append(
                f"{checkpoint.label} was trained with the target {checkpoint.config.target}, so {task.target} may be "
                "a domain that it has seen"
            )
    return notes


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f", ... ({len(names)})" if len(names) > 4 else "")


def _build(config: RunConfig, classes: int, *, trusted: bool) -> nn.Module:
    # A stranger's checkpoint must not choose what is imported, nor what is fetched from where.
    if ":" in config.model.removeprefix("timm:") and not trusted:
        raise InputError(
            f"the checkpoints name the model {config.model}, which is code of your own; if you trust it, repeat it: "
            f"--model {config.model}"
        )
    with torch_seed(0, "model"):  # the initial values are overwritten; the global generator is left as it was
        return build_network(
            config.model, num_classes=classes, weights="none", head=config.head, batch_norm="frozen", dropout=0.0
        )


def content_digest(checkpoint: Checkpoint) -> str:
    """A hash of a checkpoint's file, or of its tensors where there is none."""
    if checkpoint.path is not None:
        return file_digest(checkpoint.path)
    tensors = {**checkpoint.model, **{f"algorithm/{name}": t for name, t in checkpoint.algorithm.items()}}
    parts = [part for name, t in sorted(tensors.items()) for part in (name, t.detach().cpu().contiguous())]
    return digest(*(part if isinstance(part, str) else part.float().numpy().tobytes() for part in parts))
