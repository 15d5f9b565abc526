"""The hinge between the two halves: training writes checkpoints, analysis reads them.

A checkpoint is one self-contained safetensors file. Loading one never runs code. Tensors are stored
contiguous under ``model/...`` (parameters and buffers) and ``algorithm/...`` (weight policy,
discriminator, moments of the prior); one JSON entry of the metadata holds the rest.
"""

import json
import pickletools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from landscape.config import RunConfig
from landscape.errors import InputError
from landscape.storage import atomic_path, provenance

FORMAT = 1
_PREFIXES = ("module.", "_orig_mod.")
_BINARY_PICKLES = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
# A safetensors file begins with the length of its header in 8 bytes, and the header is a JSON object.
_HEADER = 8


@dataclass(frozen=True)
class Checkpoint:
    """One point of a training run: everything that analysis needs to know about it.

    Attributes:
        model: parameters and buffers by their plain names.
        algorithm: state of the algorithm beyond the model, by name (``policy/...``, ``moments/...``).
        config: the run's configuration; None for a bare state dict that somebody else saved.
        step: number of updates behind these weights.
        kind: ``raw`` iterate or ``swa`` average.
        classes: class names in the order of the logits.
        domains: all domains of the task, the target included.
        split_digest: hash of the train/validation split.
        metrics: the evaluation recorded with the checkpoint.
        notes: what was changed on loading, in sentences.
        path: the file it came from.
    """

    model: Mapping[str, Tensor]
    algorithm: Mapping[str, Tensor] = field(default_factory=dict)
    config: RunConfig | None = None
    step: int = 0
    kind: Literal["raw", "swa"] = "raw"
    classes: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    split_digest: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def label(self) -> str:
        """A short name for messages: the file, with its folder."""
        return "/".join(self.path.parts[-2:]) if self.path else f"{self.kind} step {self.step}"

    def weights(self, network: nn.Module) -> dict[str, Tensor]:
        """The parameters of `network` that this checkpoint holds, as a point of weight space.

        Raises:
            InputError: the checkpoint belongs to another architecture; names the first tensor that differs.
        """
        # A state dict names a shared parameter twice, and leaves out buffers that the network makes itself.
        saved = {name: tuple(t.shape) for name, t in network.state_dict().items() if isinstance(t, Tensor)}
        made = {name: tuple(b.shape) for name, b in network.named_buffers() if name not in saved}
        self._check_names(saved, made)
        return {name: self.model[name] for name, _ in network.named_parameters()}

    def buffers(self, network: nn.Module) -> dict[str, Tensor]:
        """The buffers of `network` that this checkpoint holds."""
        return {name: self.model[name] for name, _ in network.named_buffers() if name in self.model}

    def load_into(self, network: nn.Module) -> None:
        """Write parameters and buffers into `network`, each in its own memory layout."""
        self.weights(network)
        with torch.no_grad():
            for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
                if name in self.model:
                    tensor.copy_(self.model[name])

    def _check_names(self, saved: Mapping[str, tuple[int, ...]], made: Mapping[str, tuple[int, ...]]) -> None:
        expected = {**saved, **made}
        missing = [name for name in saved if name not in self.model and not name.endswith("num_batches_tracked")]
        extra = [name for name in self.model if name not in expected]
        for name in sorted(expected.keys() & self.model.keys()):
            got = tuple(self.model[name].shape)
            if got != expected[name]:
                raise InputError(
                    f"{self.label} does not fit the network: {name} has shape {got}, expected {expected[name]}. "
                    "Give the --model it was trained with."
                )
        if missing or extra:
            what = f"it lacks {missing[0]}" if missing else f"it has {extra[0]}, which the network lacks"
            raise InputError(
                f"{self.label} does not fit the network: {what} ({len(missing)} missing, {len(extra)} extra tensors). "
                "Give the --model it was trained with."
            )

    def save(self, path: Path | str) -> Path:
        """Write the checkpoint atomically; a full disk leaves the old file and raises InputError."""
        tensors = {f"model/{name}": tensor for name, tensor in self.model.items()}
        tensors |= {f"algorithm/{name}": tensor for name, tensor in self.algorithm.items()}
        about = {
            "format": FORMAT,
            "config": self.config.to_dict() if self.config else None,
            "step": self.step,
            "kind": self.kind,
            "classes": list(self.classes),
            "domains": list(self.domains),
            "split_digest": self.split_digest,
            "metrics": dict(self.metrics),
            "versions": provenance()["versions"],
        }
        return save_tensors(path, tensors, about)

    @classmethod
    def load(cls, path: Path | str) -> "Checkpoint":
        """Read a checkpoint, or a bare safetensors state dict of another tool.

        Raises:
            InputError: no such file, a pickled file (it is never opened), a truncated or damaged file, metadata
                that are not a checkpoint's, or a checkpoint of a newer version.
        """
        path = Path(path)
        tensors, about = load_tensors(path)
        if about is None:
            model, notes = _plain_names(tensors, path)
            return cls(model=model, notes=notes, path=path)
        if about.get("format") != FORMAT:
            raise InputError(
                f"{path} has checkpoint format {about.get('format')}; this version reads {FORMAT}. "
                "Use the version of the package that wrote it."
            )
        lacking = [name for name, kind in _ABOUT.items() if name not in about or not isinstance(about[name], kind)]
        if lacking:
            raise InputError(
                f"{path} is no checkpoint of this package: its metadata have no usable {', '.join(lacking)}. Give a "
                "checkpoint that the train command wrote, or a state dict saved without metadata of that name."
            )
        try:
            config = RunConfig.from_dict(about["config"]) if about["config"] else None
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path} was written by a version with other options ({error}); use the version that wrote it."
            ) from error
        return cls(
            model=tensors_under("model/", tensors),
            algorithm=tensors_under("algorithm/", tensors),
            config=config,
            step=about["step"],
            kind=about["kind"],
            classes=tuple(about["classes"]),
            domains=tuple(about["domains"]),
            split_digest=about["split_digest"],
            metrics=about["metrics"],
            path=path,
        )


# What the metadata of a checkpoint hold beside the format.
_ABOUT: dict[str, type | tuple[type, ...]] = {
    "config": (dict, type(None)),
    "step": int,
    "kind": str,
    "classes": list,
    "domains": list,
    "split_digest": str,
    "metrics": dict,
}


def save_tensors(path: Path | str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Path:
    """Write tensors (detached, contiguous, on the CPU) and one JSON object atomically to a safetensors file."""
    path = Path(path)
    # clone: safetensors refuses tensors that share memory or are channels-last.
    plain = {name: t.detach().to("cpu").clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(plain, temporary, metadata={"landscape": json.dumps(about, sort_keys=True)})
    return path


def load_tensors(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Read a safetensors file; the JSON object is None when this package did not write it.

    Raises:
        InputError: no such file, a pickled, damaged or other file, or metadata that are no JSON object.
    """
    path = Path(path)
    with _reading(path) as file:
        about = _about(file, path)
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 (no mapping)


def load_about(path: Path | str) -> dict[str, Any] | None:
    """The JSON object of a safetensors file alone; the tensors are not read.

    Raises:
        InputError: as :func:`load_tensors`.
    """
    path = Path(path)
    with _reading(path) as file:
        return _about(file, path)


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """An open safetensors file, whose header has been read."""
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {kind}; expected a checkpoint file (*.safetensors), or RUN[@STEP|@swa].")
    with open(path, "rb") as beginning:
        head = beginning.read(4096)
    if pickle_form(head):
        raise InputError(
            f"{path} is a pickled file, and opening a pickle can run code, so it was not opened. If you trust its "
            "source, save its state dict with safetensors.torch.save_file and pass that file."
        )
    if len(head) > _HEADER and head[_HEADER : _HEADER + 1] != b"{":
        raise InputError(
            f"{path} is not a safetensors file, or its beginning is damaged; expected a checkpoint (*.safetensors) of "
            "the train command, or a state dict saved by safetensors.torch.save_file."
        )
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} is damaged or cut off ({error}); delete that file's run folder and train again, or use another "
            "checkpoint of the run."
        ) from error


def pickle_form(head: bytes) -> Literal["binary", "text"] | None:
    """How a file that begins with `head` is pickled, if it is; nothing of it is executed.

    Args:
        head: the first bytes; a few hundred tell for sure.

    Returns:
        ``binary`` for a file of torch.save or a pickle of protocol 2 and later, ``text`` for protocols 0 and 1.
    """
    # Before all else: the length in a safetensors file's first bytes may look like any of them.
    if head[_HEADER : _HEADER + 1] == b"{":
        return None
    if head[:2] in _BINARY_PICKLES:
        return "binary"
    try:
        for read, (code, _, _) in enumerate(pickletools.genops(head), start=1):
            # Other bytes are operations by chance, but hardly four in a row.
            if read == 4 or (read > 1 and code.name == "STOP"):
                return "text"
    except Exception:  # whatever its parser raises on bytes that are none
        return None
    return None


def _about(file: Any, path: Path) -> dict[str, Any] | None:
    text = (file.metadata() or {}).get("landscape")
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"{path} has metadata named 'landscape' that are no JSON object, so this package did not write them; save "
            "its state dict without them."
        )
    return found


def _plain_names(tensors: Mapping[str, Tensor], path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Strip the prefixes that wrappers put before every name."""
    notes = []
    names = {name: name for name in tensors}
    changed = True
    while changed:
        changed = False
        for prefix in _PREFIXES:
            if names and all(plain.startswith(prefix) for plain in names.values()):
                names = {name: plain.removeprefix(prefix) for name, plain in names.items()}
                notes.append(f"{path.name}: stripped the prefix {prefix!r} from every tensor's name")
                changed = True
    return {plain: tensors[name] for name, plain in names.items()}, tuple(notes)


def tensors_under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
