"""A run: one folder with its configuration, its journal and its checkpoints in order."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from landscape.checkpoint import Checkpoint
from landscape.config import RunConfig
from landscape.errors import InputError, unknown_choice
from landscape.storage import Journal, atomic_write, provenance

Kind = Literal["raw", "swa"]
_FILE = {"raw": "step", "swa": "swa"}


@dataclass(frozen=True)
class Run:
    """A folder ``<data>-<target>-<algorithm>-s<seed>-<hash>`` that training writes and analysis reads.

    A run of several targets, or of some of the other domains only, has ``from-<sources>`` in place of the target.

    Attributes:
        folder: where it is.
        config: what determines it, with the precision resolved.
        trunk: the run that it branched from; its first checkpoints and metrics are the trunk's.
        branch_step: updates done by the trunk.
    """

    folder: Path
    config: RunConfig
    trunk: "Run | None" = None
    branch_step: int = 0

    @classmethod
    def at(cls, root: Path | str, config: RunConfig, trunk: "Run | None" = None, *, is_trunk: bool = False) -> "Run":
        """The run that `config` determines, below the folder `root`; it need not exist yet."""
        if config.precision == "auto":
            raise ValueError("a run is named by its resolved precision; resolve it first")
        name = "trunk" if is_trunk else config.algorithm
        code = config.trunk_hash() if is_trunk else config.hash()
        # A task of one target is called by it, any other by its sources.
        domains = "-".join(("from", *config.sources)) if config.sources else config.target
        words = [_slug(word) for word in (Path(config.data).stem, domains, name)]
        folder = Path(root) / f"{'-'.join(words)}-s{config.seed}-{code}"
        return cls(folder, config, trunk, config.trunk_steps if trunk else 0)

    @classmethod
    def open(cls, folder: Path | str, known: "dict[Path, Run] | None" = None) -> "Run":
        """Read a run's folder.

        Args:
            folder: where it is.
            known: runs that were read before, by their folders: they are not read again, and this one is added.

        Raises:
            InputError: no such folder, no ``config.json`` in it, or the trunk it branched from is gone.
        """
        folder, known = Path(folder), {} if known is None else known
        if (place := folder.resolve()) in known:
            return known[place]
        file = folder / "config.json"
        if not file.is_file():
            raise InputError(f"{folder} is no run: expected a folder with config.json, as the train command makes it.")
        about = json.loads(file.read_text())
        trunk = None
        if about["trunk"]:
            if not (folder.parent / about["trunk"] / "config.json").is_file():
                raise InputError(
                    f"{folder} branched from {about['trunk']}, which is not beside it; move both folders together."
                )
            trunk = cls.open(folder.parent / about["trunk"], known)
        known[place] = cls(folder, RunConfig.from_dict(about["config"]), trunk, about["branch_step"])
        return known[place]

    def write_config(self, **about: Any) -> None:
        """Write ``config.json``; `about` adds facts on the task."""
        content = {
            "config": self.config.to_dict(),
            "trunk": self.trunk.folder.name if self.trunk else None,
            "branch_step": self.branch_step,
            **about,
            "provenance": provenance(),
        }
        atomic_write(self.folder / "config.json", json.dumps(content, indent=2) + "\n")

    @property
    def journal(self) -> Journal:
        """``metrics.jsonl``: a row a step, and a row an evaluation."""
        return Journal(self.folder / "metrics.jsonl")

    def metrics(self) -> list[dict[str, Any]]:
        """All rows in order, those of the trunk first."""
        rows = self.journal.read()
        if self.trunk is not None:
            rows = [*(row for row in self.trunk.journal.read() if row["step"] <= self.branch_step), *rows]
        return [row for row in rows if row["step"] <= self.config.steps]

    def path(self, step: int, kind: Kind = "raw") -> Path:
        """Where a checkpoint of this run's own steps is stored."""
        return self.folder / f"{_FILE[kind]}-{step:06d}.safetensors"

    @property
    def resume_path(self) -> Path:
        """Everything needed to go on, also beyond the steps of a finished run."""
        return self.folder / "resume.safetensors"

    def state_path(self, step: int) -> Path:
        """A trunk's full state after `step` updates, from which runs branch."""
        return self.folder / f"state-{step:06d}.safetensors"

    def states(self) -> list[int]:
        """Steps at which a trunk kept its full state."""
        stems = [path.stem.removeprefix("state-") for path in self.folder.glob("state-*.safetensors")]
        return sorted(int(stem) for stem in stems if stem.isdigit())

    def recorded(self, kind: Kind = "raw") -> list[tuple[int, Path]]:
        """Checkpoints ``(step, file)`` in this run's own folder, in order of steps."""
        files = self.folder.glob(f"{_FILE[kind]}-*.safetensors")
        return sorted((int(path.stem.removeprefix(f"{_FILE[kind]}-")), path) for path in files)

    def checkpoints(self, kind: Kind = "raw") -> list[tuple[int, Path]]:
        """Checkpoints ``(step, file)`` up to the run's last step, in order, the trunk's first ones included."""
        points = self.recorded(kind)
        if self.trunk is not None:
            own = {
                step for step, _ in points
            }  # a run that ends with its trunk has its last point in its own folder, too
            shared = (
                point for point in self.trunk.recorded(kind) if point[0] <= self.branch_step and point[0] not in own
            )
            points = [*shared, *points]
        return [point for point in points if point[0] <= self.config.steps]

    def is_done(self) -> bool:
        """Whether the last step's checkpoints exist."""
        kinds: list[Kind] = ["raw"]
        if self.config.steps >= self.config.swa_start - 1:
            kinds.append("swa")
        return (self.folder / "config.json").is_file() and all(
            self.config.steps in dict(self.checkpoints(kind)) for kind in kinds
        )

    def load(self, step: int | None = None, kind: Kind = "raw") -> Checkpoint:
        """The checkpoint of a recorded step, by default the last.

        Raises:
            InputError: that step was not recorded; the message lists those that were.
        """
        return Checkpoint.load(self.find(step, kind))

    def find(self, step: int | None = None, kind: Kind = "raw") -> Path:
        """The file of a recorded step, by default the last one."""
        recorded = dict(self.checkpoints(kind))
        if not recorded:
            raise InputError(f"{self.folder} holds no {kind} checkpoint yet; let its training get further.")
        if step is None:
            return recorded[max(recorded)]
        if step not in recorded:
            steps = ", ".join(map(str, recorded))
            raise InputError(f"{self.folder} has no {kind} checkpoint at step {step}; recorded steps: {steps}.")
        return recorded[step]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def resolve(reference: str | Path, root: Path | str = "checkpoints", known: dict[Path, Run] | None = None) -> Path:
    """The file behind a reference: a checkpoint file, or ``RUN``, ``RUN@STEP``, ``RUN@swa``, ``RUN@swa-STEP``.

    RUN is a run's folder, its name below `root`, or the beginning of that name if only one run has it.
    Without ``@`` the last raw checkpoint is meant; ``@0`` is the initialisation. Runs that are in `known` are not read
    again, see :meth:`Run.open`.

    Raises:
        InputError: nothing matches, or several runs do.
    """
    text = str(reference)
    if Path(text).is_file():
        return Path(text)
    name, _, point = text.partition("@")
    run = Run.open(_find_folder(name, Path(root)), known)
    match = re.fullmatch(r"(?P<swa>swa)?-?(?P<step>\d+)?", point)
    if match is None:
        raise InputError(f"{text!r} asks for checkpoint {point!r}; expected RUN, RUN@STEP, RUN@swa or RUN@swa-STEP.")
    step = int(match["step"]) if match["step"] else None
    return run.find(step, "swa" if match["swa"] else "raw")


def _find_folder(name: str, root: Path) -> Path:
    if Path(name).is_dir():
        return Path(name)
    runs = sorted(path.parent.name for path in root.glob("*/config.json"))
    matches = [run for run in runs if run == name] or [run for run in runs if run.startswith(name)]
    if len(matches) == 1:
        return root / matches[0]
    if matches:
        raise InputError(f"{name!r} is the beginning of several runs: {', '.join(matches)}. Give more of the name.")
    if not runs:
        raise InputError(
            f"{name!r} is neither a checkpoint file nor a run, and there are no runs in {root}/. Train one first."
        )
    raise unknown_choice("run", name, runs)
