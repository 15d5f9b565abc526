"""The surface itself: every point of a plan evaluated, none of them twice."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from tqdm.auto import tqdm

from landscape.checkpoint import Checkpoint
from landscape.evaluation import Point
from landscape.evaluation.features import FrozenFeatures
from landscape.evaluation.trial import Build, Choice, Compile, PrecisionOption, choose, choose_precision, precision_cost
from landscape.opened import same_file
from landscape.storage import Journal, digest, provenance
from landscape.surface.assembly import assemble
from landscape.surface.meter import MixupLoss, Row, panel_values
from landscape.surface.plan import LABELS, Buffers, Plan
from landscape.surface.preparation import Recomputed, buffers_of, builder, meter_of, own_buffers
from landscape.surface.refine import Refined, refine
from landscape.surface.sampling import Sample
from landscape.surface.setting import Setting
from landscape.surface.surface import Surface

# What a trial chose and the journal remembers.
_CHOSEN = ("precision", "batch_size", "compiled", "channels_last")


@dataclass(frozen=True)
class _Point:
    """A point to evaluate, by the name it has in the journal."""

    key: str
    weights: Callable[[], Mapping[str, Tensor] | Point]
    buffers: Callable[[], Mapping[str, Tensor]]
    checkpoint: Checkpoint | None = None


def measure(
    plan: Plan,
    *,
    device: str = "auto",
    precision: PrecisionOption = "fp32",
    batch_size: int | None = None,
    compiled: Compile = "auto",
    journal: Path | str | None = None,
    progress: bool = True,
) -> Surface:
    """Evaluate a plan: loss and accuracy at every grid point, anchor and path end.

    Args:
        plan: plane, paths and grid, and which images.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp32``, ``bf16``, ``tf32`` (CUDA), ``fp64``, or ``auto``: what a trial finds fastest; what
            it costs is measured and noted.
        batch_size: images a forward pass; None: chosen by the device and, for long work, a trial.
        compiled: go through ``torch.compile``: ``on``, ``off``, or ``auto``: when a trial says that it pays.
        journal: a file to which every evaluated point is added; an interrupted call with the same inputs goes on
            from it, and comes to the same result as an uninterrupted one.
        progress: show a bar with the time left.

    Raises:
        InputError: the network does not fit the data, or the disk is full.
    """
    setting, task = plan.setting, plan.setting.task
    sample = Sample.of(task, plan.options.subset, seed=(*setting.seeds, 0)[0]) if plan.options.subset else None
    rows = sample.rows if sample is not None else np.arange(len(task.images))
    build = builder(plan.setting, device, rows)
    resolved, _ = resolve_precision_of(setting, precision, device)
    inputs = plan.digest()
    log = _Log(journal, digest(inputs, resolved))
    choice = log.choice or _choose(plan, build, len(rows), resolved, batch_size, compiled, progress=progress)
    log.keep_choice(choice)
    evaluator = build(
        precision=choice.precision,
        batch_size=choice.batch_size,
        compiled=choice.compiled,
        channels_last=choice.channels_last,
    )
    given = evaluator.batch_size
    notes = [*setting.notes]
    if resolved != "fp32" and resolved != "fp64":
        notes.append(_cost_of(plan, build, resolved, len(rows)))
    if sample is not None:
        notes.append(
            f"a stratified sample of {len(sample):,} of {len(task.images):,} images; panels named half_* hold half of "
            "each point's 95 % interval over images"
        )
    buffers = buffers_of(plan, build, device)
    if isinstance(buffers, Buffers) and buffers.vary:
        notes.append(
            "the checkpoints differ in their running statistics of batch norm: between them these are interpolated"
        )
    notes += [f"{name} lies outside the range that is drawn" for name in plan.outside]
    plane = plan.plane
    frozen = not isinstance(buffers, Recomputed) and not buffers.vary and FrozenFeatures.fits((plane.e1, plane.e2))
    meter, policy_row = meter_of(plan, evaluator, buffers, sample, notes, keep_features=frozen)
    span = evaluator.span(plane.origin, plane.e1, plane.e2)
    points = {point.key: point for point in _points(plan, buffers, span.point)}

    done = sum(key in log.rows for key in points)
    with tqdm(total=len(points), initial=done, desc="surface", unit="point", disable=not progress) as bar:

        def row_of(key: str) -> Row:
            point = points[key]
            if key not in log.rows:
                if policy_row is not None and same_file(point.checkpoint, setting.policy):
                    log.add(key, policy_row)
                else:
                    log.add(key, meter.at(point.weights(), point.buffers()))
                bar.update()
            return log.rows[key]

        for key in points:
            if not key.startswith("grid:"):
                row_of(key)
        refined = _measure_grid(plan, lambda i, j: row_of(f"grid:{i}:{j}"))
    # Notes of the evaluation itself, such as on memory, come while it runs.
    notes += evaluator.notes
    about = {
        "data": task.images.name,
        "data_digest": task.images.digest,
        "target": task.target,
        "sources": list(task.sources),
        "model": setting.model,
        "image_size": setting.image_size,
        "seeds": list(setting.seeds),
        "precision": resolved,
        "evaluation": {
            "batch_size": given,
            "compiled": evaluator.compiled,
            "channels_last": choice.channels_last,
            "features_kept": frozen,
        },
        "n": _counts(plan, meter.mixup, sample),
        "mixup": _about_mixture(plan, meter.mixup),
        "batch_norm": plan.options.batch_norm,
        "adaptive": _about_refined(plan, refined),
        "plane": plan.plane.kind,
        "angle": None if math.isnan(plan.plane.angle) else plan.plane.angle,
        "notes": list(dict.fromkeys(notes)),
        "provenance": provenance(_sources(plan) | {"all": inputs}),
    }
    return assemble(plan, log.rows, refined, about)


def resolve_precision_of(setting: Setting, precision: PrecisionOption, device: str) -> tuple[Any, str]:
    """What ``auto`` comes to for a network and images on this machine, and why."""
    count = len(setting.task.images)
    key = f"{setting.model} {setting.image_size}"
    return choose_precision(precision, builder(setting, device, np.arange(count)), count=count, device=device, key=key)


def trial(
    plan: Plan,
    *,
    device: str = "auto",
    precision: PrecisionOption = "fp32",
    batch_size: int | None = None,
    compiled: Compile = "auto",
) -> Choice:
    """How a plan would be evaluated, and the seconds of one pass over its images, from a few batches of it."""
    task = plan.setting.task
    count = len(Sample.of(task, plan.options.subset).rows) if plan.options.subset else len(task.images)
    rows = np.arange(len(task.images))[:count]
    resolved, _ = resolve_precision_of(plan.setting, precision, device)
    return _choose(plan, builder(plan.setting, device, rows), count, resolved, batch_size, compiled, progress=False)


def _choose(
    plan: Plan,
    build: Build,
    count: int,
    precision: Any,
    batch_size: int | None,
    compiled: Compile,
    *,
    progress: bool,
) -> Choice:
    parts = (getattr(plan.setting.network, name, None) for name in ("featurizer", "classifier"))
    codes = plan.setting.policy is not None and all(isinstance(part, nn.Module) for part in parts)
    choice = choose(
        build,
        count=count,
        passes=plan.evaluations,
        precision=precision,
        batch_size=batch_size,
        compiled=compiled,
        codes=codes,
    )
    for reason in choice.reasons if progress else ():
        print(f"trial: {reason}", file=sys.stderr)
    return choice


def _cost_of(plan: Plan, build: Build, precision: Any, count: int) -> str:
    network = plan.setting.network
    points = [(each.weights(network), each.buffers(network)) for each in plan.setting.checkpoints]
    loss, accuracy = precision_cost(build, precision, points, count=count)
    return (
        f"{precision}: on a sample of images, at the anchors, the mean loss differs by at most {loss:.1e} nats "
        f"and the accuracy by {accuracy:.1%} from float32"
    )


def _measure_grid(plan: Plan, row_at: Callable[[int, int], Row]) -> Refined:
    grid, tolerance = plan.grid, plan.options.adaptive
    shape = len(grid.y), len(grid.x)
    if tolerance is None:
        for i, j in grid.cells():
            row_at(i, j)
        return Refined(np.ones(shape, dtype=bool))
    return refine(shape, lambda cell: panel_values(row_at(*cell)), tolerance)


def _about_refined(plan: Plan, refined: Refined) -> dict[str, Any] | None:
    if plan.options.adaptive is None:
        return None
    return {
        "tolerance": plan.options.adaptive,
        "measured": int(refined.measured.sum()),
        "points": int(refined.measured.size),
        "held_out": refined.held_out,
        "error": refined.error,
    }


class _Log:
    """What has been evaluated, in memory and, if wanted, in a journal on disk."""

    def __init__(self, path: Path | str | None, inputs: str) -> None:
        self.rows: dict[str, Row] = {}
        self.choice: Choice | None = None
        self._journal = Journal(path) if path is not None else None
        self._inputs = inputs
        if self._journal is None:
            return
        # Drops a row that a crash has cut off, and the rows of other inputs.
        for row in self._journal.rewind(lambda row: row.get("inputs") == inputs):
            if row["key"] == "choice":
                chosen = {name: row[name] for name in _CHOSEN}
                self.choice = Choice(**chosen, seconds=math.nan)
            else:
                self.rows[row["key"]] = row

    def keep_choice(self, choice: Choice) -> None:
        """What a trial chose holds for the rest, also after an interruption: another batch size rounds otherwise."""
        if self.choice is None and self._journal is not None:
            chosen = {name: getattr(choice, name) for name in _CHOSEN}
            self._journal.append({"key": "choice", "inputs": self._inputs, **chosen})
        self.choice = choice

    def add(self, key: str, row: Row) -> None:
        """Keep the values of one point."""
        self.rows[key] = row
        if self._journal is not None:
            self._journal.append({"key": key, "inputs": self._inputs, **row})


def _points(plan: Plan, buffers: "Buffers | Recomputed", point_at: Callable[[float, float], Point]) -> Iterator[_Point]:
    """Anchors and path ends first: the journal then tells early whether something is wrong."""
    network = plan.setting.network

    def on_plane(key: str, x: float, y: float) -> _Point:
        return _Point(key, lambda: point_at(x, y), lambda: buffers.at(x, y))

    def itself(key: str, checkpoint: Checkpoint) -> _Point:
        own = lambda: own_buffers(plan, buffers, checkpoint)  # noqa: E731
        return _Point(key, lambda: checkpoint.weights(network), own, checkpoint)

    for index, checkpoint in enumerate(plan.setting.checkpoints):
        yield itself(f"anchor:{index}", checkpoint)
    for index, end in enumerate(plan.ends):
        yield itself(f"end:{index}", end.checkpoint)
        yield on_plane(f"projected:{index}", float(end.trajectory.x[-1]), float(end.trajectory.y[-1]))
    for i, j in plan.grid.cells():
        yield on_plane(f"grid:{i}:{j}", float(plan.grid.x[j]), float(plan.grid.y[i]))


def _counts(plan: Plan, mixup: MixupLoss | None, sample: Sample | None) -> dict[str, int]:
    task = plan.setting.task
    counts = {
        "images": len(task.images),
        "train": len(task.source_rows("in")),
        "test": len(task.target_rows()),
        "mixup": len(mixup.mixture) if mixup else 0,
        "mixup_skipped": mixup.mixture.skipped if mixup else 0,
    }
    return counts | ({"evaluated": len(sample)} if sample is not None else {})


def _about_mixture(plan: Plan, mixup: MixupLoss | None) -> dict[str, Any] | None:
    policy = plan.setting.policy
    if mixup is None or policy is None or policy.config is None:
        return None
    return {
        "mode": mixup.mode,
        "policy": policy.label,
        "algorithm": policy.config.algorithm,
        "extrapolated": mixup.mixture.extrapolated,
    }


def _sources(plan: Plan) -> dict[str, str]:
    """Names of the inputs, without the folders of this machine."""
    return {label: each.label for label, each in zip(LABELS, plan.setting.checkpoints, strict=False)}
