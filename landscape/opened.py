"""Checkpoints opened for analysis: with the network and the data that they belong to."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from torch import Tensor, nn

from landscape.algorithms.catalogue import label_of
from landscape.checkpoint import Checkpoint
from landscape.compute import Compute, Precision
from landscape.config import RunConfig
from landscape.data import Task, open_task
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.evaluation.timing import Build, choose_precision
from landscape.files import Files
from landscape.mixture import has_policy
from landscape.models import build_network
from landscape.models.renaming import fit_names
from landscape.overrides import Changes
from landscape.seeding import torch_seed
from landscape.storage import digest, provenance
from landscape.training import Run

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
        files: the files behind the checkpoints, each read once.
    """

    checkpoints: tuple[Checkpoint, ...]
    names: tuple[str, ...]
    network: nn.Module
    model: str
    task: Task
    seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    files: Files = field(default_factory=Files, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        references: Sequence[Reference],
        data: Task | str | None = None,
        *,
        network: nn.Module | str | None = None,
        progress: bool = True,
        files: Files | None = None,
        **changes: Unpack[Changes],
    ) -> "Opened":
        """Read the checkpoints, build their network, open their data.

        Network, data, target and split come from the checkpoints' metadata and have to agree.

        Args:
            references: checkpoint files, ``RUN[@STEP|@swa]``, checkpoints, or mappings of weights.
            data: an open task, or the name of the data, in place of the checkpoints' own.
            network: a module, or a model's name; needed for bare weights and for a model of the user's own.
            progress: show a bar while images are decoded.
            files: what has been read before of the files behind the checkpoints.
            changes: ``root``, the folder of the run folders, and fields of :class:`~landscape.config.RunConfig` to
                replace: ``target``, ``image_size`` ...

        Raises:
            InputError: a file that cannot be read, checkpoints that disagree, data that differ from those of
                training, or bare weights without a network and data.
        """
        files = Files() if files is None else files
        root = changes.pop("root", "checkpoints")
        checkpoints = [_load(reference, root, files) for reference in references]
        fields: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
        if isinstance(data, str):
            fields["data"] = data
        if isinstance(network, str):
            fields["model"] = network
        notes = [note for checkpoint in checkpoints for note in checkpoint.notes]
        config = _common_config(checkpoints, fields, own_task=isinstance(data, Task), own_network=network is not None)
        task = data if isinstance(data, Task) else open_task(config, progress=progress)
        chosen = isinstance(data, Task) or not fields.keys().isdisjoint(_SPLIT)
        notes += _check_task(checkpoints, task, chosen=chosen)
        if isinstance(network, nn.Module):
            module, model = network, str(getattr(network, "name", type(network).__name__))
        else:
            module, model = _build(config, len(task.images.classes), trusted="model" in fields), config.model
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
            files=files,
        )

    def digest(self) -> str:
        """A hash of weights, data, network: of everything that an evaluation of the checkpoints depends on."""
        parts = [self.files.content(checkpoint) for checkpoint in self.checkpoints]
        parts += [self.task.images.digest, self.task.split.digest, self.task.target, str(self.image_size)]
        if not self.task.leaves_one_out:
            parts.append("\0".join(self.task.sources))
        # A representation may hold addresses, which change from call to call.
        return digest(*parts, self.model, re.sub(r" at 0x[0-9a-fA-F]+", "", repr(self.network)))

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return int(self.task.images.pixels.shape[1])

    def only(self, index: int) -> "Opened":
        """One of the checkpoints by itself."""
        checkpoint = self.checkpoints[index]
        seeds = (checkpoint.config.seed,) if checkpoint.config else ()
        return replace(self, checkpoints=(checkpoint,), names=(self.names[index],), seeds=seeds)

    def about(
        self, *, n: Mapping[str, Any], notes: Iterable[str], inputs: Mapping[str, str], **more: Any
    ) -> dict[str, Any]:
        """What every result records of its checkpoints: data, network, seeds, counts, notes, provenance.

        Args:
            n: numbers of images and of what else was counted.
            notes: what is to be known, in sentences; each is kept once.
            inputs: names of the inputs, without the folders of this machine, and the hash of them all.
            more: what else the result records.
        """
        task = self.task
        return {
            "data": task.images.name,
            "data_digest": task.images.digest,
            "target": task.target,
            "sources": list(task.sources),
            "model": self.model,
            "image_size": self.image_size,
            "seeds": list(self.seeds),
            "n": dict(n),
            **more,
            "notes": list(dict.fromkeys(notes)),
            "provenance": provenance(inputs),
        }

    def evaluator(self, compute: Compute, rows: np.ndarray | None = None) -> Evaluator:
        """An evaluator of the network on some of the images, by default all, for other weights than its own.

        The precision of `compute` is resolved.
        """
        return self.builder(compute.device, rows)(
            precision=compute.exact, batch_size=compute.batch_size, compiled=compute.compiled == "on"
        )

    def builder(self, device: str, rows: np.ndarray | None = None) -> Build:
        """Makes evaluators of the images in `rows`; rows given later count within these.

        They are for other weights than the network's own, of which they keep no copy.
        """
        images = self.task.images
        everything = np.arange(len(images)) if rows is None else rows

        def build(
            *,
            rows: np.ndarray | None = None,
            precision: Precision = "fp32",
            batch_size: int | None = None,
            compiled: bool = False,
            channels_last: bool = True,
        ) -> Evaluator:
            return Evaluator(
                self.network,
                images.pixels,
                images.labels,
                rows=everything if rows is None else everything[rows],
                device=device,
                precision=precision,
                batch_size=batch_size,
                compiled=compiled,
                channels_last=channels_last,
                keep_given=False,
            )

        return build

    def resolve(self, compute: Compute, *, progress: bool = True) -> Compute:
        """The same with the precision that ``auto`` comes to for this network and its images on this machine.

        Why goes to the terminal.
        """
        if compute.precision != "auto":
            return compute
        resolved, why = choose_precision(
            self.builder(compute.device),
            count=len(self.task.images),
            device=compute.device,
            key=f"{self.model} {self.image_size}",
        )
        if progress:
            print(f"timing: precision {resolved} ({why})", file=sys.stderr)
        return compute.at(resolved)


def policy_of(checkpoint: Checkpoint, files: Files) -> tuple[Checkpoint, list[str]]:
    """The raw iterate beside a checkpoint with a mixup policy, where its mixing weights are taken, and notes.

    The policy was trained beside the raw iterates; an averaged network's gradients are others.

    Args:
        checkpoint: the one with the policy.
        files: what has been read before of its run.

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
    run = files.run_of(checkpoint)
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


def _load(reference: Reference, root: Path | str, files: Files) -> Checkpoint:
    if isinstance(reference, Checkpoint):
        return reference
    if isinstance(reference, Mapping):
        return Checkpoint(model=dict(reference))
    return files.load(reference, root)


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
    return f"{label_of(checkpoint.config.algorithm)}{average}, step {checkpoint.step}"


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
        fields += ["sources", "targets"] if "target" not in changes else []
        if changes.keys().isdisjoint(_SPLIT):
            fields += [*_SPLIT, "split_digest"]
    first, *others = [checkpoint for checkpoint in checkpoints if checkpoint.config is not None] or checkpoints[:1]
    for other in others:
        _check_agreement(first, other, fields)
    config = first.config or RunConfig(weights="none")
    if "target" in changes and config.sources:  # another domain is looked at; the others that were trained on stay
        left = [name for name in config.sources if name.casefold() != changes["target"].casefold()]
        config = config.replace(sources=tuple(left or config.sources))
    return config.replace(**changes)


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
        config = checkpoint.config
        if config and task.target not in (unseen := config.targets or (config.target,)):
            notes.append(
                f"{checkpoint.label} was trained with the target {', '.join(unseen)}, so {task.target} may be "
                "a domain that it has seen"
            )
    if len(task.targets) > 1:
        notes.append(
            f"the target here is {task.target}, one of {', '.join(task.targets)}; --target chooses another of them"
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
