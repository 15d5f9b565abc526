"""Flatness curves and curvature of checkpoints: ``python -m landscape.flatness RUN ...``."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from landscape import command
from landscape.config import Device
from landscape.errors import InputError
from landscape.overrides import Overrides

if TYPE_CHECKING:
    from landscape.flatness.setting import Setting

DESCRIPTION = """How flat the loss is around checkpoints, along random directions that all of them share.

E[(L(theta + gamma u) - L(theta))^2] over random unit directions u, for all parameters and for the classifier's only;
on the paper's losses, which differ between methods, and on the same losses for every method. RUN is a checkpoint file
or RUN[@STEP|@swa]. Writes the result (.nc) with every direction's sample, and figures. An interrupted call continues, a
finished one is not repeated. --curvature measures Hessian eigenvalues, trace and spectral density along the runs.

Examples:
  python -m landscape.flatness sixstyles-sketch-erm-s0@swa sixstyles-sketch-fgmix-s0@swa
  python -m landscape.flatness sixstyles-sketch-erm-s0@swa --gammas 5 10 15 20 --directions 100 --statistic signed
  python -m landscape.flatness sixstyles-sketch-erm-s0 sixstyles-sketch-fgmix-s0 --curvature --scope classifier
"""


@dataclass(frozen=True)
class FlatnessOptions:
    """Flags of the command."""

    checkpoints: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="RUN")] = ()
    """The checkpoints, one per method."""
    gammas: tuple[float, ...] = ()
    """Distances in weight space, for every scope. By default a pilot chooses them: equal steps up to where the first
    method's loss on the original images changes by --level in the median of five directions."""
    level: float = 1.0
    """Loss change in nats at the pilot's largest gamma."""
    steps: int = 5
    """Number of gammas of the pilot."""
    directions: int = 50
    """Random unit directions. The FGMix paper's Figure 5 has 50, SWAD's figure 100."""
    statistic: Literal["squared", "signed", "absolute"] = "squared"
    """What is drawn and printed: the mean squared gap (FGMix paper), the mean gap (SWAD), or the mean absolute gap. All
    are in the result."""
    scope: tuple[Literal["full", "classifier"], ...] = ("full", "classifier")
    """What is moved: all parameters, or the classifier's only (exact and fast)."""
    groups_from: str | None = None
    """The checkpoint that freezes groups and weights of the mixup codes that all methods share; by default the last
    one given that has a policy."""
    subset: int | None = None
    """Use about this many training images, stratified by domain and class; by default all."""
    direction_seed: int = 0
    """Trial seed of the analysis: directions and subset."""
    curvature: bool = False
    """Measure curvature along the runs instead of curves."""
    matrix: tuple[Literal["hessian", "ggn"], ...] = ("hessian",)
    """Curvature: the Hessian, or the Gauss-Newton matrix."""
    images: int = 64
    """Curvature: training images for the full network, stratified. The classifier's takes all."""
    top: int = 3
    """Curvature: number of largest eigenvalues."""
    trace_vectors: int = 10
    """Curvature: random vectors behind the trace and its standard error."""
    density: bool = True
    """Curvature: the spectral density at the end of every path."""
    ends_only: bool = False
    """Curvature: only the checkpoints given, not those that led to them."""
    out: Path | None = None
    """Folder for the files: figures/, with --plot-only the result's own."""
    format: tuple[Literal["png", "pdf", "svg"], ...] = ("png", "pdf")
    """What to draw."""
    plot_only: Path | None = None
    """Draw this stored result again, without any model."""
    dry_run: bool = False
    """Print the plan and its estimated time, and stop."""
    overrides: Annotated[Overrides, tyro.conf.arg(name="")] = field(default_factory=Overrides)
    device: Device = "auto"
    """Where to compute."""
    precision: Literal["fp32", "bf16", "fp64"] = "fp32"
    """Arithmetic of the forward passes; sums are float64 always."""
    batch_size: int | None = None
    """Images a forward pass; by default chosen by the device."""


def main(args: list[str] | None = None) -> None:
    """Parse, measure, draw, print what came out."""
    options = command.parse(FlatnessOptions, prog="python -m landscape.flatness", description=DESCRIPTION, args=args)
    if options.plot_only is not None:
        _plot_again(options)
        return
    if not options.checkpoints:
        raise InputError("got no checkpoint; expected at least one RUN[@STEP|@swa] (or --plot-only RESULT.nc).")
    print("opening checkpoints and data", file=sys.stderr)
    if options.curvature:
        _curvature(options)
    else:
        _curves(options)


def _curves(options: FlatnessOptions) -> None:
    from landscape.flatness.draw import draw
    from landscape.flatness.report import report
    from landscape.flatness.setting import Setting

    setting = Setting.of(
        options.checkpoints,
        groups_from=options.groups_from,
        subset=options.subset,
        subset_seed=options.direction_seed,
        **options.overrides.keywords(),
    )
    task = setting.task
    print(
        f"{task.images.name}, target {task.target}: {', '.join(setting.methods)}; losses over "
        f"{len(setting.images):,} of {len(task.source_rows('in')):,} training images"
    )
    if options.dry_run:
        _dry_run_curves(setting, options)
        return
    flatness, written = draw(
        setting,
        out=options.out or Path("figures"),
        formats=options.format,
        statistic=options.statistic,
        scopes=options.scope,
        gammas=options.gammas or None,
        directions=options.directions,
        level=options.level,
        steps=options.steps,
        seed=options.direction_seed,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
    )
    print(report(flatness, options.statistic))
    command.say_written(written)


def _curvature(options: FlatnessOptions) -> None:
    from landscape.flatness.curvature import CurvaturePlan, trial
    from landscape.flatness.draw_curvature import draw_path
    from landscape.flatness.report import report_path
    from landscape.opened import Opened

    opened = Opened.open(options.checkpoints, **options.overrides.keywords())
    plan = CurvaturePlan.of(
        opened,
        scopes=options.scope,
        matrices=options.matrix,
        images=options.images,
        top=options.top,
        trace_vectors=options.trace_vectors,
        density=options.density,
        ends_only=options.ends_only,
        seed=options.direction_seed,
    )
    task = opened.task
    print(
        f"{task.images.name}, target {task.target}: {len(plan.distinct)} checkpoints, {plan.points} curvatures; the "
        f"full network on {len(plan.rows):,}, the classifier on {len(task.source_rows('in')):,} training images"
    )
    if options.dry_run:
        if "full" in plan.scopes:
            seconds = trial(plan, device=options.device)
            products = 40 + options.trace_vectors
            ends = sum(stop.end for stop in plan.distinct) if options.density else 0
            total = (len(plan.distinct) * products + ends * 170) * len(plan.matrices)
            print(f"a product with the full network's matrix takes {seconds:.2f} s; about {total:,} of them are needed")
            print(f"estimated time: {total * seconds:.0f} s (Lanczos may take fewer or more); the classifier: seconds")
        return
    path, written = draw_path(plan, out=options.out or Path("figures"), formats=options.format, device=options.device)
    print(report_path(path))
    command.say_written(written)


def _plot_again(options: FlatnessOptions) -> None:
    from landscape.flatness.comparison import Flatness
    from landscape.flatness.draw import draw_files
    from landscape.flatness.draw_curvature import draw_path_files
    from landscape.flatness.path import CurvaturePath

    assert options.plot_only is not None
    if options.checkpoints:
        raise InputError("--plot-only draws a stored result; leave the checkpoints out.")
    stem = (options.out or options.plot_only.parent) / options.plot_only.stem
    if options.curvature or options.plot_only.name.startswith("curvature"):
        written = draw_path_files(CurvaturePath.load(options.plot_only), stem, formats=options.format)
    else:
        flatness = Flatness.load(options.plot_only)
        written = draw_files(flatness, stem, formats=options.format, statistic=options.statistic)
    command.say_written(written)


def _dry_run_curves(setting: "Setting", options: FlatnessOptions) -> None:
    from landscape.flatness.measure import check, trial

    check(options.scope, options.gammas or None, options.directions)
    seconds, parameters = trial(
        setting, device=options.device, precision=options.precision, batch_size=options.batch_size
    )
    gammas = len(set(options.gammas) - {0.0}) or options.steps
    images, methods = len(setting.images), len(setting.methods)
    print(f"{methods} methods x {options.directions} directions x {gammas} gammas, scope {' and '.join(options.scope)}")
    if "full" in options.scope:
        points = methods * (1 + options.directions * gammas)
        # The pilot: some ten distances at five directions each.
        pilot = 0 if options.gammas else 50
        print(
            f"passes over the data: {points:,}{f' and about {pilot} of the pilot' if pilot else ''}, {images:,} images "
            f"each = {(points + pilot) * images:,} forward passes"
        )
        print(f"estimated time: {(points + pilot) * seconds:.0f} s ({seconds:.2f} s a point in a short trial)")
        size = 4 * parameters / 2**20
        print(f"memory: the forward pass and 4 float32 copies of the weights, {4 * size:.0f} MiB")
    if "classifier" in options.scope:
        print(f"the classifier: {methods} passes over the data, then products with its codes")
    for note in setting.notes:
        print(f"note: {note}")


if __name__ == "__main__":
    command.run(main)
