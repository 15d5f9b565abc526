"""The surface itself: every point of a plan evaluated, none of them twice."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from landscape.checkpoint import Checkpoint
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.evaluation.evaluator import Precision
from landscape.mixture import Mixture
from landscape.opened import same_file
from landscape.storage import Journal, digest, provenance
from landscape.surface.meter import Meter, Row, metric_values, panel_values
from landscape.surface.plan import LABELS, Buffers, Plan
from landscape.surface.surface import METRICS, SPLITS, Mark, Surface, empty_values

_TRIAL_IMAGES = 192


@dataclass(frozen=True)
class _Point:
    """A point to evaluate, by the name it has in the journal."""

    key: str
    weights: Callable[[], Mapping[str, Tensor]]
    buffers: Callable[[], Mapping[str, Tensor]]
    checkpoint: Checkpoint | None = None


def measure(
    plan: Plan,
    *,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int | None = None,
    journal: Path | str | None = None,
    progress: bool = True,
) -> Surface:
    """Evaluate a plan: loss and accuracy at every grid point, anchor and path end, on the entire data.

    Args:
        plan: plane, paths and grid.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp32``, ``bf16`` or ``fp64``.
        batch_size: images a forward pass; None: chosen by the device.
        journal: a file to which every evaluated point is added; an interrupted call with the same inputs goes on
            from it, and comes to the same result as an uninterrupted one.
        progress: show a bar with the time left.

    Raises:
        InputError: the network does not fit the data, or the disk is full.
    """
    setting, images = plan.setting, plan.setting.task.images
    evaluator = _evaluator(plan, device, precision, batch_size)
    notes = [*setting.notes, *evaluator.notes]
    buffers = _buffers(plan)
    if buffers.vary:
        notes.append(
            "the checkpoints differ in their running statistics of batch norm: between them these are interpolated"
        )
    notes += [f"{name} lies outside the range that is drawn" for name in plan.outside]
    inputs = plan.digest()
    log = _Log(journal, digest(inputs, precision))
    meter, policy_row = _meter(plan, evaluator, notes)
    points = list(_points(plan, buffers))
    left = [point for point in points if point.key not in log.rows]
    done = len(points) - len(left)
    with tqdm(total=len(points), initial=done, desc="surface", unit="point", disable=not progress) as bar:
        for point in left:
            if policy_row is not None and same_file(point.checkpoint, setting.policy):
                log.add(point.key, policy_row)
            else:
                log.add(point.key, meter.at(point.weights(), point.buffers()))
            bar.update()
    about = {
        "data": images.name,
        "data_digest": images.digest,
        "target": setting.task.target,
        "sources": list(setting.task.sources),
        "model": setting.model,
        "image_size": setting.image_size,
        "seeds": list(setting.seeds),
        "precision": precision,
        "n": _counts(plan, meter.mixture),
        "mixup": _about_mixture(plan, meter.mixture),
        "angle": plan.plane.angle,
        "notes": list(dict.fromkeys(notes)),
        "provenance": provenance(_sources(plan) | {"all": inputs}),
    }
    return _assemble(plan, log.rows, about)


def trial(plan: Plan, *, device: str = "auto", precision: Precision = "fp32", batch_size: int | None = None) -> float:
    """Seconds that one evaluation of the entire data is going to take, from a few batches of it."""
    images = plan.setting.task.images
    rows = np.unique(np.linspace(0, len(images) - 1, min(len(images), _TRIAL_IMAGES)).astype(int))
    evaluator = _evaluator(plan, device, precision, batch_size, rows=rows)
    weights, buffers = plan.plane.at(*plan.plane.anchors[1]), _buffers(plan).at(*plan.plane.anchors[1])
    seconds = []
    for _ in range(3):  # the first one warms up
        began = time.perf_counter()
        evaluator.at(weights, buffers)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:]) * len(images) / len(rows)


class _Log:
    """What has been evaluated, in memory and, if wanted, in a journal on disk."""

    def __init__(self, path: Path | str | None, inputs: str) -> None:
        self.rows: dict[str, Row] = {}
        self._journal = Journal(path) if path is not None else None
        if self._journal is None:
            return
        # Drops a row that a crash has cut off, and the rows of other inputs.
        for row in self._journal.rewind(lambda row: row.get("inputs") == inputs):
            self.rows[row["key"]] = row
        self._inputs = inputs

    def add(self, key: str, row: Row) -> None:
        """Keep the values of one point."""
        self.rows[key] = row
        if self._journal is not None:
            self._journal.append({"key": key, "inputs": self._inputs, **row})


def _evaluator(
    plan: Plan, device: str, precision: Precision, batch_size: int | None, rows: np.ndarray | None = None
) -> Evaluator:
    images = plan.setting.task.images
    return Evaluator(
        plan.setting.network,
        images.pixels,
        images.labels,
        rows=rows,
        device=device,
        precision=precision,
        batch_size=batch_size,
    )


def _buffers(plan: Plan) -> Buffers:
    network = plan.setting.network
    a, b, c = (checkpoint.buffers(network) for checkpoint in plan.setting.checkpoints)
    return Buffers(plan.plane, (a, b, c))


def _meter(plan: Plan, evaluator: Evaluator, notes: list[str]) -> tuple[Meter, Row | None]:
    """The meter and, if it has mixup codes, the values at the checkpoint whose policy weighed them."""
    setting, task = plan.setting, plan.setting.task
    policy = setting.policy
    if policy is None or policy.config is None:
        return Meter(task, evaluator), None
    try:
        evaluator.classifier  # noqa: B018 (asks whether there are latent codes at all)
        predictions = evaluator.at(policy.weights(setting.network), policy.buffers(setting.network), codes=True)
        assert predictions.codes is not None
        mixture = Mixture.frozen(task, predictions.rows, predictions.codes, evaluator.classifier, policy)
    except InputError as error:
        notes.append(f"the FGMix train loss is left out: {error}")
        return Meter(task, evaluator), None
    if policy.config.mixup.domains_per_mixup not in (0, len(task.sources)):
        notes.append(
            f"training mixed {policy.config.mixup.domains_per_mixup} sources at a time; the surface's groups have one "
            f"image of each of the {len(task.sources)}"
        )
    meter = Meter(task, evaluator, mixture)
    return meter, meter.row(predictions)


def _points(plan: Plan, buffers: Buffers) -> Iterator[_Point]:
    """Anchors and path ends first: the journal then tells early whether something is wrong."""
    network, plane = plan.setting.network, plan.plane

    def on_plane(key: str, x: float, y: float) -> _Point:
        return _Point(key, lambda: plane.at(x, y), lambda: buffers.at(x, y))

    def itself(key: str, checkpoint: Checkpoint) -> _Point:
        return _Point(key, lambda: checkpoint.weights(network), lambda: checkpoint.buffers(network), checkpoint)

    for index, checkpoint in enumerate(plan.setting.checkpoints):
        yield itself(f"anchor:{index}", checkpoint)
    for index, end in enumerate(plan.ends):
        yield itself(f"end:{index}", end.checkpoint)
        yield on_plane(f"projected:{index}", float(end.trajectory.x[-1]), float(end.trajectory.y[-1]))
    for i, j in plan.grid.cells():
        yield on_plane(f"grid:{i}:{j}", float(plan.grid.x[j]), float(plan.grid.y[i]))


def _assemble(plan: Plan, rows: Mapping[str, Row], about: Mapping[str, Any]) -> Surface:
    task, grid = plan.setting.task, plan.grid
    domains = task.images.domains
    n = np.array([[len(task.rows(domain, split)) for split in ("in", "out")] for domain in domains])
    panels = list(rows["anchor:0"]["panels"])
    arrays: dict[str, np.ndarray] = {name: np.full((len(grid.y), len(grid.x)), np.nan) for name in panels}
    shape = (len(domains), len(SPLITS), len(grid.y), len(grid.x))
    metrics: dict[str, np.ndarray] = {name: np.full(shape, np.nan) for name in METRICS}
    for i, j in grid.cells():
        row = rows[f"grid:{i}:{j}"]
        for name, value in panel_values(row).items():
            arrays[name][i, j] = value
        for name, array in metrics.items():
            array[:, :, i, j] = metric_values(row, name, n)
    values = empty_values(grid.x, grid.y, panels=panels, domains=domains, n=n)
    for name, array in {**arrays, **metrics}.items():
        values[name].values[...] = array
    return Surface(values, tuple(_marks(plan, rows)), plan.trajectories, about)


def _marks(plan: Plan, rows: Mapping[str, Row]) -> Iterator[Mark]:
    for index, (label, name) in enumerate(zip(LABELS, plan.setting.names, strict=True)):
        x, y = plan.plane.anchors[index]
        at = panel_values(rows[f"anchor:{index}"])
        yield Mark(label, name, "anchor", x, y, 0.0, at, at)
    for index, end in enumerate(plan.ends):
        path = end.trajectory
        yield Mark(
            label=path.name,
            name=f"step {path.step[-1]}",
            role="end",
            x=float(path.x[-1]),
            y=float(path.y[-1]),
            residual=float(path.residual[-1]),
            true=panel_values(rows[f"end:{index}"]),
            projected=panel_values(rows[f"projected:{index}"]),
        )


def _counts(plan: Plan, mixture: Mixture | None) -> dict[str, int]:
    task = plan.setting.task
    return {
        "images": len(task.images),
        "train": len(task.source_rows("in")),
        "test": len(task.target_rows()),
        "mixup": len(mixture) if mixture else 0,
        "mixup_skipped": mixture.skipped if mixture else 0,
    }


def _about_mixture(plan: Plan, mixture: Mixture | None) -> dict[str, Any] | None:
    policy = plan.setting.policy
    if mixture is None or policy is None or policy.config is None:
        return None
    return {
        "mode": "fixed_weights",
        "policy": policy.label,
        "algorithm": policy.config.algorithm,
        "extrapolated": mixture.extrapolated,
    }


def _sources(plan: Plan) -> dict[str, str]:
    """Names of the inputs, without the folders of this machine."""
    return {label: each.label for label, each in zip(LABELS, plan.setting.checkpoints, strict=True)}
