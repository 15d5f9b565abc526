"""Checkpoint files and run folders, each read once: their hashes, and the runs that they belong to."""

from pathlib import Path

from landscape.checkpoint import Checkpoint
from landscape.errors import InputError
from landscape.storage import digest, file_digest
from landscape.training import Run, resolve


class Files:
    """What is known of the files behind some checkpoints: no file is hashed twice, no run's folder opened twice.

    It lives as long as what was opened with it; who opens anew reads anew.
    """

    def __init__(self) -> None:
        self._digests: dict[Path, str] = {}
        self._runs: dict[Path, Run] = {}

    def load(self, reference: str | Path, root: Path | str) -> Checkpoint:
        """The checkpoint behind a file's name or ``RUN[@STEP|@swa]``; see :func:`landscape.training.resolve`."""
        return Checkpoint.load(resolve(reference, root, self._runs))

    def digest(self, path: Path) -> str:
        """A hash of a file."""
        place = path.resolve()
        if place not in self._digests:
            self._digests[place] = file_digest(path)
        return self._digests[place]

    def content(self, checkpoint: Checkpoint | None) -> str:
        """A hash of a checkpoint's file, or of its tensors where there is none; nothing of no checkpoint."""
        if checkpoint is None:
            return ""
        if checkpoint.path is not None:
            return self.digest(checkpoint.path)
        tensors = {**checkpoint.model, **{f"algorithm/{name}": t for name, t in checkpoint.algorithm.items()}}
        parts = [part for name, t in sorted(tensors.items()) for part in (name, t.detach().cpu().contiguous())]
        return digest(*(part if isinstance(part, str) else part.float().numpy().tobytes() for part in parts))

    def run_of(self, checkpoint: Checkpoint) -> Run | None:
        """The run in whose folder a checkpoint lies, if it lies in one that can be read.

        A copied folder whose trunk stayed behind, or whose ``config.json`` is damaged, is none: the checkpoint itself
        says all that an analysis needs.
        """
        if checkpoint.config is None or checkpoint.path is None:
            return None
        try:
            return Run.open(checkpoint.path.parent, self._runs)
        except (InputError, KeyError, TypeError, ValueError):
            return None
