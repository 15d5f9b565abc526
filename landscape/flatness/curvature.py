"""Curvature measured along the runs of some checkpoints, none of the points twice."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from landscape.checkpoint import Checkpoint
from landscape.config import DISPLAY_NAMES
from landscape.data.strata import stratified
from landscape.errors import InputError, unknown_choice
from landscape.evaluation import Evaluator
from landscape.flatness.comparison import SCOPES
from landscape.flatness.curve import Scope
from landscape.flatness.head import head_curvature
from landscape.flatness.path import FORMAT, CurvaturePath, PathPoint
from landscape.flatness.setting import batches_of
from landscape.flatness.spectrum import MATRICES, Batches, Curvature, Matrix, as_memory_allows, operator_of
from landscape.flatness.sweep import Log
from landscape.hardware import resolve_device
from landscape.opened import Opened, content_digest, run_of
from landscape.storage import digest, file_digest, provenance


@dataclass(frozen=True)
class Stop:
    """A checkpoint on a path.

    Attributes:
        path: whose path it is on.
        step: updates behind it.
        source: the file, or the checkpoint itself where there is none.
        digest: hash of its content.
        end: whether the path ends here.
    """

    path: str
    step: int
    source: Path | Checkpoint
    digest: str
    end: bool

    @property
    def label(self) -> str:
        """A short name for messages: the file, with its folder."""
        return self.source.label if isinstance(self.source, Checkpoint) else "/".join(self.source.parts[-2:])

    def load(self) -> Checkpoint:
        """The checkpoint."""
        return self.source if isinstance(self.source, Checkpoint) else Checkpoint.load(self.source)


@dataclass(frozen=True)
class CurvaturePlan:
    """What is going to be measured; see :meth:`CurvaturePath.measure` for the settings.

    Attributes:
        opened: network and data.
        stops: the checkpoints of all paths.
        rows: images for the full network.
        options: top, trace_vectors, seed.
        tolerance: relative accuracy at which Lanczos stops for the full network; None: the default.
        scopes: what is moved.
        matrices: of what kind.
        density: whether the ends get their spectral density.
    """

    opened: Opened
    stops: tuple[Stop, ...]
    rows: np.ndarray
    scopes: tuple[Scope, ...]
    matrices: tuple[Matrix, ...]
    density: bool
    options: dict[str, int] = field(default_factory=dict)
    tolerance: float | None = None

    @classmethod
    def of(
        cls,
        opened: Opened,
        *,
        scopes: Sequence[Scope] = SCOPES,
        matrices: Sequence[Matrix] = ("hessian",),
        images: int = 64,
        top: int = 3,
        trace_vectors: int = 10,
        density: bool = True,
        ends_only: bool = False,
        steps: Sequence[int] | None = None,
        tolerance: float | None = None,
        seed: int = 0,
    ) -> "CurvaturePlan":
        """Find the paths and choose the images.

        `steps` picks recorded checkpoints of every path, whose last one is always taken; None: all of them. `tolerance`
        is that of the full network's Lanczos iteration, in place of the default.

        Raises:
            InputError: an unknown scope or matrix, no scope, or numbers that make no sense.
        """
        for kind, chosen, known in (("scope", scopes, SCOPES), ("matrix", matrices, MATRICES)):
            if not chosen:
                raise InputError(f"got no {kind}; expected one or both of: {', '.join(known)}.")
            for each in chosen:
                if each not in known:
                    raise unknown_choice(kind, each, known)
        if top < 1 or trace_vectors < 2:
            raise InputError(f"got {top} eigenvalues and {trace_vectors} vectors; expected at least 1 and 2.")
        rows = opened.task.source_rows("in")
        if images < len(rows):
            rows = stratified(opened.task, rows, images, seed=seed, flag="--images")
        return cls(
            opened=opened,
            stops=tuple(
                stop for stop in _stops(opened, ends_only=ends_only) if steps is None or stop.end or stop.step in steps
            ),
            rows=rows,
            scopes=tuple(sorted(scopes, key=SCOPES.index)),
            matrices=tuple(matrices),
            density=density,
            options={"top": top, "trace_vectors": trace_vectors, "seed": seed},
            tolerance=tolerance,
        )

    def digest(self) -> str:
        """A hash of everything that the values depend on."""
        stops = [f"{stop.path}@{stop.step}:{stop.digest}" for stop in self.stops]
        settings = repr((self.scopes, self.matrices, self.density, sorted(self.options.items())))
        tolerance = [] if self.tolerance is None else [f"tolerance={self.tolerance}"]
        return digest(str(FORMAT), self.opened.digest(), self.rows.tobytes(), settings, *tolerance, *stops)

    @property
    def points(self) -> int:
        """Curvatures to measure."""
        return len(self.distinct) * len(self.scopes) * len(self.matrices)

    @property
    def distinct(self) -> tuple[Stop, ...]:
        """The stops without those that two paths share, such as the trunk's."""
        first = {stop.digest: stop for stop in reversed(self.stops)}
        return tuple(stop for stop in self.stops if first[stop.digest] is stop)


def measure(
    plan: CurvaturePlan, *, device: str = "auto", journal: Path | str | None = None, progress: bool = True
) -> CurvaturePath:
    """Measure a plan; an interrupted call continues from its journal.

    Raises:
        InputError: eigenvalues that do not converge, or a network that cannot be differentiated twice.
    """
    log = Log(journal, plan.digest())
    bench = _Bench(plan, device)
    ends = [stop for stop in plan.stops if stop.end]
    dense = {stop.digest for stop in ends} if plan.density else set()
    notes = list(plan.opened.notes)
    scopes = list(plan.scopes)
    if "classifier" in scopes and not hasattr(plan.opened.network, "classifier"):
        notes.append("the network has no .featurizer and .classifier, so its classifier is not measured on its own")
        scopes.remove("classifier")
    total = len(plan.distinct) * len(scopes) * len(plan.matrices)
    with tqdm(total=total, desc="curvature", unit="point", disable=not progress) as bar:
        for stop in plan.distinct:
            for scope in scopes:
                for matrix in plan.matrices:
                    key = f"{stop.digest}/{scope}/{matrix}"
                    if key not in log.rows:
                        found = bench.measure(stop, scope, matrix, density=stop.digest in dense)
                        log.add(key, **_plain(found))
                    bar.update()
    points = [
        PathPoint(
            path=stop.path,
            step=stop.step,
            checkpoint=stop.label,
            curvature=_curvature(log.rows[f"{stop.digest}/{scope}/{matrix}"]),
        )
        for stop in plan.stops
        for scope in scopes
        for matrix in plan.matrices
    ]
    notes += [note for point in points for note in point.curvature.about.get("notes", ())]
    task = plan.opened.task
    about = {
        "data": task.images.name,
        "data_digest": task.images.digest,
        "target": task.target,
        "sources": list(task.sources),
        "model": plan.opened.model,
        "image_size": plan.opened.image_size,
        "seeds": list(plan.opened.seeds),
        "n": {"train": len(task.source_rows("in")), "full": len(plan.rows)},
        "options": dict(plan.options),
        "notes": list(dict.fromkeys(notes)),
        "provenance": provenance({each.label: each.digest for each in ends}),
    }
    return CurvaturePath(tuple(points), about)


def trial(plan: CurvaturePlan, *, device: str = "auto") -> float:
    """Seconds of one product of the full network's matrix with a vector."""
    bench = _Bench(plan, device)
    bench.load(plan.stops[0])
    parameters, loss = list(bench.network.parameters()), nn.CrossEntropyLoss()

    def seconds(batches: Batches) -> float:
        with operator_of(bench.network, loss, parameters, batches, matrix=plan.matrices[0], check=False) as operator:
            vector = torch.ones(operator.shape[0], device=operator.device, dtype=operator.dtype)
            operator @ vector  # warms up
            began = time.perf_counter()
            operator @ vector
            return time.perf_counter() - began

    return as_memory_allows(seconds, bench.batches)[0]


class _Bench:
    """The network and the images, ready to be differentiated."""

    def __init__(self, plan: CurvaturePlan, device: str) -> None:
        self.plan = plan
        self.device = resolve_device(device)
        # A copy: the opened network may be the user's own.
        self.network = copy.deepcopy(plan.opened.network).to(self.device).eval()
        self._evaluator: Evaluator | None = None
        self.batches = batches_of(plan.opened.task, plan.rows, self.network, self.device)

    def load(self, stop: Stop) -> Checkpoint:
        checkpoint = stop.load()
        checkpoint.load_into(self.network)
        return checkpoint

    def measure(self, stop: Stop, scope: Scope, matrix: Matrix, *, density: bool) -> Curvature:
        checkpoint = self.load(stop)
        options: dict[str, Any] = {**self.plan.options, "matrix": matrix, "density": density}
        if scope == "full":
            if self.plan.tolerance is not None:
                options["tolerance"] = self.plan.tolerance
            # The network is in evaluation mode and its images are fixed: nothing in it is random.
            return Curvature.measure(self.network, nn.CrossEntropyLoss(), self.batches, check=False, **options)
        evaluator = self._own_evaluator()
        network = self.plan.opened.network
        predictions = evaluator.at(checkpoint.weights(network), checkpoint.buffers(network), codes=True)
        assert predictions.codes is not None
        return head_curvature(evaluator.classifier, predictions.codes, evaluator.labels, **options)

    def _own_evaluator(self) -> Evaluator:
        if self._evaluator is None:
            task = self.plan.opened.task
            self._evaluator = Evaluator(
                self.plan.opened.network,
                task.images.pixels,
                task.images.labels,
                rows=task.source_rows("in"),
                device=self.device,
            )
        return self._evaluator


def _stops(opened: Opened, *, ends_only: bool) -> tuple[Stop, ...]:
    stops: list[Stop] = []
    taken: set[str] = set()
    for checkpoint, name in zip(opened.checkpoints, opened.names, strict=True):
        run = None if ends_only else run_of(checkpoint)
        label = name
        if run is not None:
            label = DISPLAY_NAMES[run.config.algorithm] + (" + SWA" if checkpoint.kind == "swa" else "")
        if label in taken:
            label = f"{label} ({checkpoint.label})"
        taken.add(label)
        before = []
        if run is not None:
            before = [point for point in run.checkpoints(checkpoint.kind) if point[0] < checkpoint.step]
        stops += [Stop(label, step, path, file_digest(path), False) for step, path in before]
        # A bare state dict's names have been fitted to the network's; the file still has its own.
        last: Path | Checkpoint = checkpoint.path if checkpoint.config and checkpoint.path else checkpoint
        code = content_digest(checkpoint)
        stops.append(Stop(label, checkpoint.step, last, code, True))
    return tuple(stops)


def _plain(found: Curvature) -> dict[str, Any]:
    values = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(found).items()}
    return {**values, "about": dict(found.about)}


def _curvature(row: dict[str, Any]) -> Curvature:
    values = {name: value for name, value in row.items() if name not in ("key", "inputs")}
    arrays = {name: np.array(values[name], dtype=np.float64) for name in ("eigenvalues", "residuals", "density")}
    smallest = np.nan if values["smallest"] is None else values["smallest"]
    return Curvature(**{**values, **arrays, "smallest": smallest})
