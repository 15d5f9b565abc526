"""Curvature measured along the runs of some checkpoints, none of the points twice."""

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from landscape.algorithms.catalogue import label_of
from landscape.checkpoint import Checkpoint
from landscape.compute import Compute
from landscape.data.strata import stratified
from landscape.evaluation import Evaluator
from landscape.evaluation.batches import batches_of
from landscape.flatness.head import head_curvature
from landscape.flatness.path import FORMAT, CurvaturePath, PathPoint
from landscape.flatness.recipe import ALONG, CurvatureRecipe, Matrix, Scope
from landscape.flatness.spectrum import TOLERANCE, Batches, Curvature, as_memory_allows, operator_of
from landscape.hardware import resolve_device
from landscape.log import Log
from landscape.opened import Opened
from landscape.storage import digest


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
        recipe: what is measured there.
    """

    opened: Opened
    stops: tuple[Stop, ...]
    rows: np.ndarray
    recipe: CurvatureRecipe

    @classmethod
    def of(cls, opened: Opened, recipe: CurvatureRecipe = ALONG) -> "CurvaturePlan":
        """Find the paths and choose the images."""
        rows, steps = opened.task.source_rows("in"), recipe.at_steps
        if recipe.images < len(rows):
            rows = stratified(opened.task, rows, recipe.images, seed=recipe.direction_seed, flag="--images")
        every = _stops(opened, ends_only=recipe.ends_only)
        stops = tuple(stop for stop in every if steps is None or stop.end or stop.step in steps)
        return cls(opened, stops, rows, recipe)

    def digest(self) -> str:
        """A hash of everything that the values depend on."""
        stops = [f"{stop.path}@{stop.step}:{stop.digest}" for stop in self.stops]
        recipe = self.recipe
        settings = repr((recipe.scope, recipe.matrix, recipe.density, sorted(recipe.numbers.items())))
        tolerance = [] if recipe.tolerance is None else [f"tolerance={recipe.tolerance}"]
        return digest(str(FORMAT), self.opened.digest(), self.rows.tobytes(), settings, *tolerance, *stops)

    @property
    def points(self) -> int:
        """Curvatures to measure."""
        return len(self.distinct) * len(self.recipe.scope) * len(self.recipe.matrix)

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
    dense = {stop.digest for stop in ends} if plan.recipe.density else set()
    notes = list(plan.opened.notes)
    scopes, matrices = list(plan.recipe.scope), plan.recipe.matrix
    if "classifier" in scopes and not hasattr(plan.opened.network, "classifier"):
        notes.append("the network has no .featurizer and .classifier, so its classifier is not measured on its own")
        scopes.remove("classifier")
    total = len(plan.distinct) * len(scopes) * len(matrices)
    with tqdm(total=total, desc="curvature", unit="point", disable=not progress) as bar:
        for stop in plan.distinct:
            for scope in scopes:
                for matrix in matrices:
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
        for matrix in matrices
    ]
    notes += [note for point in points for note in point.curvature.about.get("notes", ())]
    about = plan.opened.about(
        n={"train": len(plan.opened.task.source_rows("in")), "full": len(plan.rows)},
        notes=notes,
        inputs={each.label: each.digest for each in ends},
        options=plan.recipe.numbers,
    )
    return CurvaturePath(tuple(points), about)


def time_product(plan: CurvaturePlan, *, device: str = "auto") -> float:
    """Seconds of one product of the full network's matrix with a vector."""
    bench = _Bench(plan, device)
    bench.load(plan.stops[0])
    parameters, loss = list(bench.network.parameters()), nn.CrossEntropyLoss()

    def seconds(batches: Batches) -> float:
        with operator_of(
            bench.network, loss, parameters, batches, matrix=plan.recipe.matrix[0], check=False
        ) as operator:
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
        recipe = self.plan.recipe
        if scope == "full":
            return Curvature.measure(
                self.network,
                nn.CrossEntropyLoss(),
                self.batches,
                matrix=matrix,
                top=recipe.top,
                trace_vectors=recipe.trace_vectors,
                density=density,
                seed=recipe.direction_seed,
                tolerance=TOLERANCE if recipe.tolerance is None else recipe.tolerance,
                # The network is in evaluation mode and its images are fixed: nothing in it is random.
                check=False,
            )
        evaluator = self._own_evaluator()
        network = self.plan.opened.network
        predictions = evaluator.at(checkpoint.weights(network), checkpoint.buffers(network), codes=True)
        assert predictions.codes is not None
        return head_curvature(
            evaluator.classifier,
            predictions.codes,
            evaluator.labels,
            matrix=matrix,
            top=recipe.top,
            trace_vectors=recipe.trace_vectors,
            density=density,
            seed=recipe.direction_seed,
        )

    def _own_evaluator(self) -> Evaluator:
        if self._evaluator is None:
            opened = self.plan.opened
            self._evaluator = opened.evaluator(Compute(str(self.device)), opened.task.source_rows("in"))
        return self._evaluator


def _stops(opened: Opened, *, ends_only: bool) -> tuple[Stop, ...]:
    stops: list[Stop] = []
    taken: set[str] = set()
    for checkpoint, name in zip(opened.checkpoints, opened.names, strict=True):
        run = None if ends_only else opened.files.run_of(checkpoint)
        label = name
        if run is not None:
            label = label_of(run.config.algorithm, checkpoint.kind == "swa")
        if label in taken:
            label = f"{label} ({checkpoint.label})"
        taken.add(label)
        before = []
        if run is not None:
            before = [point for point in run.checkpoints(checkpoint.kind) if point[0] < checkpoint.step]
        stops += [Stop(label, step, path, opened.files.digest(path), False) for step, path in before]
        # A bare state dict's names have been fitted to the network's; the file still has its own.
        last: Path | Checkpoint = checkpoint.path if checkpoint.config and checkpoint.path else checkpoint
        code = opened.files.content(checkpoint)
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
