"""The surface itself: every point of a plan evaluated, none of them twice."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from landscape.checkpoint import Checkpoint
from landscape.compute import DEFAULT, Compute
from landscape.evaluation import Point
from landscape.evaluation.features import FrozenFeatures
from landscape.evaluation.timing import Build, Choice
from landscape.log import Log
from landscape.opened import same_file
from landscape.storage import digest
from landscape.surface.assembly import assemble
from landscape.surface.choosing import choose_for, cost_of, keep_choice, kept_choice
from landscape.surface.distributed import Evaluate, Parcel, connected, one_thread
from landscape.surface.distributed import check as check_workers
from landscape.surface.meter import MixupLoss, Row, panel_values
from landscape.surface.plan import LABELS, Buffers, Plan
from landscape.surface.preparation import Recomputed, buffers_of, meter_of, own_buffers
from landscape.surface.refine import Cell, Refined, refine
from landscape.surface.sampling import Sample
from landscape.surface.surface import Surface


@dataclass(frozen=True)
class _Point:
    """A point to evaluate, by the name it has in the journal: a checkpoint, or `xy` on the plane."""

    key: str
    weights: Callable[[], Mapping[str, Tensor] | Point]
    buffers: Callable[[], Mapping[str, Tensor]]
    checkpoint: Checkpoint | None = None
    xy: tuple[float, float] | None = None


def measure(
    plan: Plan, compute: Compute = DEFAULT, *, journal: Path | str | None = None, progress: bool = True
) -> Surface:
    """Evaluate a plan: loss and accuracy at every grid point, anchor and path end.

    Args:
        plan: plane, paths and grid, and which images.
        compute: device, precision (what it costs against float32 is measured and noted), batch size, compiled or not,
            and by whom.
        journal: a file to which every evaluated point is added; an interrupted call with the same inputs goes on
            from it, and comes to the same result as an uninterrupted one.
        progress: show a bar with the time left.

    Raises:
        InputError: the network does not fit the data, Ray is asked for and missing, or the disk is full.
    """
    check_workers(compute.workers)
    with one_thread() if compute.workers == "ray" else nullcontext():
        return _measure(plan, compute, journal, progress)


def _measure(plan: Plan, compute: Compute, journal: Path | str | None, progress: bool) -> Surface:
    setting, task = plan.setting, plan.setting.task
    sample = Sample.of(task, plan.recipe.subset, seed=(*setting.seeds, 0)[0]) if plan.recipe.subset else None
    rows = sample.rows if sample is not None else np.arange(len(task.images))
    build, compute = setting.builder(compute.device, rows), setting.resolve(compute, progress=progress)
    inputs = plan.digest()
    log = Log(journal, digest(inputs, compute.exact))
    choice = kept_choice(log) or _choose(plan, build, compute, len(rows), progress=progress)
    keep_choice(log, choice)
    evaluator = choice.build(build)
    given, known = evaluator.batch_size, len(evaluator.notes)
    notes = [*setting.notes, *plan.plane.about.get("notes", ()), *cost_of(setting, build, compute.exact, len(rows))]
    if sample is not None:
        notes.append(
            f"a stratified sample of {len(sample):,} of {len(task.images):,} images; panels named half_* hold half of "
            "each point's 95 % interval over images"
        )
    buffers = buffers_of(plan, build, compute.device)
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

    done = log.done(points)
    with ExitStack() as stack:
        bar = stack.enter_context(
            tqdm(total=len(points), initial=done, desc="surface", unit="point", disable=not progress)
        )

        def keep(key: str, row: Row, said: Sequence[str]) -> None:
            """Keep a row, with what its evaluation noted, such as on memory."""
            log.add(key, **row, **({"notes": list(said)} if said else {}))
            bar.update()

        def row_of(key: str) -> Row:
            point = points[key]
            if key not in log.rows:
                if policy_row is not None and same_file(point.checkpoint, setting.policy):
                    keep(key, policy_row, evaluator.notes[known:])
                else:
                    row = meter.at(point.weights(), point.buffers())
                    keep(key, row, evaluator.notes[known:])
            return log.rows[key]

        evaluate: Evaluate | None = None
        if compute.workers == "ray" and not frozen:
            parcel = Parcel.of(
                plan, rows, device=str(evaluator.device), choice=choice, mixup=meter.mixup, sample=sample
            )
            evaluate = stack.enter_context(connected(parcel))

        def ahead(keys: Iterable[str]) -> None:
            """Let Ray's workers evaluate what lies on the plane."""
            if evaluate is not None:
                at = {key: points[key].xy for key in keys if key not in log.rows}
                with closing(evaluate([(key, *xy) for key, xy in at.items() if xy])) as arriving:
                    for key, row, said in arriving:
                        keep(key, row, said)

        first = [key for key in points if not key.startswith("grid:")]
        ahead(first)
        for key in first:
            row_of(key)
        refined = _measure_grid(
            plan,
            lambda cell: row_of(_name(cell)),
            lambda cells: ahead(map(_name, cells)),
        )
    notes += evaluator.notes
    notes += log.notes()
    about = setting.about(
        n=_counts(plan, meter.mixup, sample),
        notes=notes,
        inputs=_sources(plan) | {"all": inputs},
        precision=compute.exact,
        evaluation={
            "batch_size": given,
            "compiled": evaluator.compiled,
            "folded": evaluator.folded,
            "channels_last": choice.channels_last,
            "features_kept": frozen,
        },
        mixup=_about_mixture(plan, meter.mixup),
        batch_norm=plan.recipe.batch_norm,
        adaptive=_about_refined(plan, refined),
        plane=plane.kind,
        directions=dict(plane.about),
        angle=None if math.isnan(plane.angle) else plane.angle,
    )
    return assemble(plan, log.rows, refined, about)


def time_plan(plan: Plan, compute: Compute) -> Choice:
    """How a plan would be evaluated, and the seconds of one pass over its images, from a few batches of it."""
    task = plan.setting.task
    count = len(Sample.of(task, plan.recipe.subset).rows) if plan.recipe.subset else len(task.images)
    rows = np.arange(len(task.images))[:count]
    compute, build = plan.setting.resolve(compute), plan.setting.builder(compute.device, rows)
    return _choose(plan, build, compute, count, progress=False)


def _choose(plan: Plan, build: Build, compute: Compute, count: int, *, progress: bool) -> Choice:
    setting, passes = plan.setting, plan.evaluations
    mixes = setting.policy is not None
    return choose_for(setting, build, compute, count=count, passes=passes, mixes=mixes, progress=progress)


def _measure_grid(plan: Plan, row_at: Callable[[Cell], Row], ahead: Callable[[Sequence[Cell]], None]) -> Refined:
    grid, tolerance = plan.grid, plan.recipe.adaptive
    shape = len(grid.y), len(grid.x)
    if tolerance is None:
        ahead(grid.cells())
        for cell in grid.cells():
            row_at(cell)
        return Refined(np.ones(shape, dtype=bool))
    return refine(shape, lambda cell: panel_values(row_at(cell)), tolerance, ahead=ahead)


def _name(cell: Cell) -> str:
    return "grid:{}:{}".format(*cell)


def _about_refined(plan: Plan, refined: Refined) -> dict[str, Any] | None:
    if plan.recipe.adaptive is None:
        return None
    return {
        "tolerance": plan.recipe.adaptive,
        "measured": int(refined.measured.sum()),
        "points": int(refined.measured.size),
        "held_out": refined.held_out,
        "error": refined.error,
    }


def _points(plan: Plan, buffers: "Buffers | Recomputed", point_at: Callable[[float, float], Point]) -> Iterator[_Point]:
    """Anchors and path ends first: the journal then tells early whether something is wrong."""
    network = plan.setting.network

    def on_plane(key: str, x: float, y: float) -> _Point:
        return _Point(key, lambda: point_at(x, y), lambda: buffers.at(x, y), xy=(x, y))

    def itself(key: str, checkpoint: Checkpoint) -> _Point:
        own = lambda: own_buffers(plan, buffers, checkpoint)  # noqa: E731
        return _Point(key, lambda: checkpoint.weights(network), own, checkpoint)

    for index, checkpoint in enumerate(plan.setting.checkpoints):
        yield itself(f"anchor:{index}", checkpoint)
    for index, end in enumerate(plan.ends):
        yield itself(f"end:{index}", end.checkpoint)
        yield on_plane(f"projected:{index}", float(end.trajectory.x[-1]), float(end.trajectory.y[-1]))
    for i, j in plan.grid.cells():
        yield on_plane(_name((i, j)), float(plan.grid.x[j]), float(plan.grid.y[i]))


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
