"""What three checkpoints say about the network, the data and the paths that led to them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from landscape.checkpoint import Checkpoint
from landscape.config import DISPLAY_NAMES, RunConfig
from landscape.data import Task, open_task
from landscape.errors import InputError
from landscape.models import build_network
from landscape.seeding import torch_seed
from landscape.storage import digest, file_digest
from landscape.surface.mixture import has_policy
from landscape.training import Run, resolve

Reference = str | Path | Checkpoint | Mapping[str, Tensor]
Kind = Literal["raw", "swa"]
# What decides which images there are and how they are split.
_SPLIT = ("data", "domains", "split", "seed")


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
class Setting:
    """Three checkpoints with everything that is needed to evaluate the plane through them.

    Attributes:
        checkpoints: A, the origin, B and C.
        names: what they are called in words (``ERM + SWA, step 160``).
        network: their architecture.
        model: its name.
        task: images, split and target.
        paths: the recorded paths of B's and C's runs.
        policy: the checkpoint whose mixup policy FGMix's train surface uses; None leaves that panel out.
        seeds: trial seeds of the runs.
        notes: what the reader should know, in sentences.
    """

    checkpoints: tuple[Checkpoint, Checkpoint, Checkpoint]
    names: tuple[str, str, str]
    network: nn.Module
    model: str
    task: Task
    paths: tuple[RecordedPath, ...] = ()
    policy: Checkpoint | None = None
    seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def open(
        cls,
        a: Reference,
        b: Reference,
        c: Reference,
        data: Task | str | None = None,
        *,
        network: nn.Module | str | None = None,
        root: Path | str = "checkpoints",
        progress: bool = True,
        **changes: Any,
    ) -> "Setting":
        """Read the checkpoints, build their network, open their data.

        Network, data, target and split come from the checkpoints' metadata and have to agree.

        Args:
            a: a checkpoint file, ``RUN[@STEP|@swa]``, a checkpoint, or a mapping of weights.
            b: likewise.
            c: likewise.
            data: an open task, or the name of the data, in place of the checkpoints' own.
            network: a module, or a model's name; needed for bare weights and for a model of the user's own.
            root: folder of the run folders.
            progress: show a bar while images are decoded.
            changes: fields of :class:`~landscape.config.RunConfig` to replace (``target``, ``image_size`` ...).

        Raises:
            InputError: a file that cannot be read, checkpoints that disagree, data that differ from those of
                training, or bare weights without a network and data.
        """
        checkpoints = _three([_load(reference, root) for reference in (a, b, c)])
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
            checkpoints = _three([_with_buffers(checkpoint, module) for checkpoint in checkpoints])
        else:
            module, model = _build(config, len(task.images.classes), trusted="model" in changes), config.model
        paths, missing = _paths(checkpoints)
        policy, about_policy = _policy(checkpoints)
        notes += missing + about_policy
        return cls(
            checkpoints=checkpoints,
            names=_three([_words(checkpoint) for checkpoint in checkpoints]),
            network=module,
            model=model,
            task=task,
            paths=paths,
            policy=policy,
            seeds=tuple(sorted({each.config.seed for each in checkpoints if each.config})),
            notes=tuple(dict.fromkeys(notes)),
        )

    def digest(self) -> str:
        """A hash of everything that the values depend on: weights, data, network, policy, paths."""
        parts = [_content(checkpoint) for checkpoint in self.checkpoints]
        parts += [self.task.images.digest, self.task.split.digest, self.task.target, str(self.image_size)]
        # A representation may hold addresses, which change from call to call.
        architecture = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(self.network))
        parts += [self.model, architecture, _content(self.policy) if self.policy else ""]
        for path in self.paths:
            parts += [path.label, path.kind, *(f"{step}:{file_digest(file)}" for step, file in path.points)]
        return digest(*parts)

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return int(self.task.images.pixels.shape[1])


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


def _with_buffers(checkpoint: Checkpoint, network: nn.Module) -> Checkpoint:
    """Plain weights say nothing of buffers: those are the given network's."""
    if checkpoint.config is not None or checkpoint.path is not None:
        return checkpoint
    return replace(checkpoint, model={**dict(network.named_buffers()), **checkpoint.model})


def _three(values: Sequence[Any]) -> tuple[Any, Any, Any]:
    first, second, third = values
    return first, second, third


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
    """The one configuration of network and data that the three share, with the user's changes."""
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
                "give three checkpoints of one network and one task."
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


def _content(checkpoint: Checkpoint) -> str:
    if checkpoint.path is not None:
        return file_digest(checkpoint.path)
    tensors = {**checkpoint.model, **{f"algorithm/{name}": t for name, t in checkpoint.algorithm.items()}}
    parts = [part for name, t in sorted(tensors.items()) for part in (name, t.detach().cpu().contiguous())]
    return digest(*(part if isinstance(part, str) else part.float().numpy().tobytes() for part in parts))


def _paths(checkpoints: Sequence[Checkpoint]) -> tuple[tuple[RecordedPath, ...], list[str]]:
    """Raw and averaged paths of B's and C's runs, as far as the checkpoint itself."""
    found: list[tuple[Run, Checkpoint]] = []
    notes = []
    for checkpoint in checkpoints[1:]:
        run = _run(checkpoint)
        if run is None:
            notes.append(f"no path is drawn for {checkpoint.label}: it lies in no run's folder")
        elif all(run.folder != other.folder for other, _ in found):
            found.append((run, checkpoint))
    labels = [DISPLAY_NAMES[run.config.algorithm] for run, _ in found]
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


def _run(checkpoint: Checkpoint) -> Run | None:
    if checkpoint.config is None or checkpoint.path is None:
        return None
    folder = checkpoint.path.parent
    return Run.open(folder) if (folder / "config.json").is_file() else None


def _policy(checkpoints: Sequence[Checkpoint]) -> tuple[Checkpoint | None, list[str]]:
    """C's mixup policy, else the last one there is, at the raw iterate of its step."""
    owner = next((checkpoint for checkpoint in reversed(checkpoints) if has_policy(checkpoint)), None)
    if owner is None or owner.config is None:
        return None, ["no checkpoint has a mixup policy, so the FGMix train loss is left out"]
    notes = []
    if owner.step < owner.config.mixup.start:
        notes.append(f"the mixup policy of {owner.label} has not been trained yet (T0 is {owner.config.mixup.start})")
    if owner.kind == "raw":
        return owner, notes
    # The policy was trained beside the raw iterates; the averaged network's gradients are others.
    run = _run(owner)
    raw = dict(run.checkpoints("raw")).get(owner.step) if run else None
    if raw is None:
        return owner, [*notes, f"mixing weights are taken at {owner.label}, as its raw iterate is not beside it"]
    return Checkpoint.load(raw), notes
