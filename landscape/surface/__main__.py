"""The loss surface through three checkpoints, or the line between two: ``python -m landscape.surface A B C``."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from landscape import command
from landscape.config import Device
from landscape.errors import InputError
from landscape.overrides import Overrides

if TYPE_CHECKING:
    from landscape.evaluation.trial import Choice
    from landscape.opened import Opened
    from landscape.surface.setting import Setting

DESCRIPTION = """Loss and accuracy on the plane through three checkpoints, with the optimisation paths on it.

A, B and C are checkpoint files or RUN[@STEP|@swa] (RUN: a run's folder, or the beginning of its name); A is the
plane's origin. Model, data, target and split come from the checkpoints; every value is over the entire data.
Writes the result (.nc), a figure and an interactive page. An interrupted call continues, a finished one is not
repeated. With --plane, one checkpoint is enough (its path's principal components, random directions, or the
Hessian's eigenvectors), or two, for the straight line between them.

Examples:
  python -m landscape.surface sixstyles-sketch-erm-s0@0 sixstyles-sketch-erm-s0@swa sixstyles-sketch-fgmix-s0@swa
  python -m landscape.surface sixstyles-sketch-erm-s0@swa sixstyles-sketch-fgmix-s0@swa --plane line
  python -m landscape.surface a.safetensors b.safetensors c.safetensors --model resnet18 --data images/ --target art
  python -m landscape.surface sixstyles-sketch-erm-s0@swa --plane pca
  python -m landscape.surface --plot-only figures/demo/surface-sixstyles-sketch.nc --format svg
"""
_COUNTS = {"through": 3, "line": 2}
_HOW = ("device", "precision", "batch_size", "compiled")


@dataclass(frozen=True)
class SurfaceOptions:
    """Flags of the command."""

    checkpoints: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="A [B [C]]")] = ()
    """Three checkpoints, A being the origin; with --plane line two, A and B; with pca, random or hessian A alone."""
    plane: Literal["through", "pca", "random", "hessian", "line"] = "through"
    """through: A, B and C. Around A alone: pca, the two largest principal components of its recorded path; random,
    two random filter-normalised directions (Li et al. 2018); hessian, the eigenvectors of the two largest eigenvalues
    of the training loss's Hessian. line: no plane, the straight line from A to B."""
    hessian_images: int = 64
    """Training images behind the Hessian, stratified by domain and class; 256 take some minutes an eigenvalue."""
    points: int | None = None
    """Grid points along each axis: 7, on a line 25."""
    margin: float | None = None
    """Room around paths and anchors on each side, as a fraction of their extent: 0.2; on a line how far to go on behind
    A and B: 0.25."""
    x_range: tuple[float, float] | None = None
    """First and last x, in place of the computed ones; on a line A is at 0 and B at 1."""
    y_range: tuple[float, float] | None = None
    """First and last y, in place of the computed ones."""
    out: Path | None = None
    """Folder for the files: figures/, with --plot-only the result's own."""
    format: tuple[Literal["png", "pdf", "svg", "html"], ...] = ("png", "pdf", "html")
    """What to draw."""
    plot_only: Path | None = None
    """Draw this stored result again, without any model."""
    dry_run: bool = False
    """Print the plan and its estimated time, and stop."""
    overrides: Annotated[Overrides, tyro.conf.arg(name="")] = field(default_factory=Overrides)
    device: Device = "auto"
    """Where to compute."""
    precision: Literal["auto", "fp32", "bf16", "tf32", "fp64"] = "fp32"
    """Arithmetic of the forward passes; sums are float64 always. fp32 gives the same values everywhere, to rounding;
    auto takes what this machine is fastest in. What bf16 and tf32 cost against fp32 is measured and printed."""
    batch_size: int | None = None
    """Images a forward pass; by default chosen by the device and, when the work is long, by a trial."""
    compiled: Literal["auto", "on", "off"] = "auto"
    """torch.compile; auto: when a trial finds that it pays back the time it takes."""
    workers: Literal["none", "ray"] = "none"
    """ray: share the points among Ray's workers (pip install 'dg-landscape[distributed]'): those at RAY_ADDRESS, else
    one on each core here, one thread each. The values are those of one process with one thread."""
    subset: int | None = None
    """Evaluate a stratified sample of about so many images, with a 95 % interval at every point."""
    adaptive: float | None = None
    """Measure coarsely, then refine where the surface is not predicted within this many nats (accuracy: as a fraction);
    the rest is interpolated, with its error at held-out points."""
    mixture: Literal["fixed_weights", "recompute", "fixed_codes"] = "fixed_weights"
    """What stays fixed in FGMix's loss over the surface: the mixing weights (our choice where the paper is silent),
    nothing, or the mixup codes of the policy's checkpoint."""
    batch_norm: Literal["frozen", "recomputed"] = "frozen"
    """Running statistics: the checkpoints' (interpolated where they differ), or recomputed at every point from source
    training images."""


def main(args: list[str] | None = None) -> None:
    """Parse, measure, draw, print what came out."""
    options = command.parse(SurfaceOptions, prog="python -m landscape.surface", description=DESCRIPTION, args=args)
    if options.plot_only is not None:
        _plot_again(options)
        return
    count, expected = len(options.checkpoints), _COUNTS.get(options.plane, 1)
    if options.plane == "through" and count != 3:
        raise InputError(
            f"got {count} checkpoints; expected three: A, the origin of the plane, B and C (or --plot-only RESULT.nc, "
            "two with --plane line, or one with --plane pca, random or hessian)."
        )
    if count != expected:
        raise InputError(
            f"got {count} checkpoints; --plane {options.plane} goes through {'two' if expected == 2 else 'one'}."
        )
    if options.plane == "line":
        _line(options)
        return
    from landscape.surface.distributed import check
    from landscape.surface.setting import Setting

    check(options.workers)
    print("opening checkpoints and data", file=sys.stderr)
    first, *others = options.checkpoints
    through = partial(Setting.through, first, *others) if others else partial(Setting.around, first)
    setting = through(**options.overrides.keywords())
    _say_data(setting)
    if options.dry_run:
        _dry_run(setting, options)
        return
    from landscape.surface.draw import draw
    from landscape.surface.report import report

    surface, written = draw(
        setting,
        out=options.out or Path("figures"),
        formats=options.format,
        workers=options.workers,
        **_where(options),
        **{name: getattr(options, name) for name in _HOW},
    )
    print(report(surface))
    command.say_written(written)


def _line(options: SurfaceOptions) -> None:
    plain = SurfaceOptions()
    names = ("y_range", "workers", "subset", "adaptive", "mixture", "batch_norm")
    if given := [name for name in names if getattr(options, name) != getattr(plain, name)]:
        raise InputError(f"--plane line takes no --{given[0].replace('_', '-')}; leave it out.")
    print("opening checkpoints and data", file=sys.stderr)
    from landscape.opened import Opened
    from landscape.surface.draw_line import draw_line
    from landscape.surface.line import Line, trial_line
    from landscape.surface.report import report_line

    opened = Opened.open(options.checkpoints, **options.overrides.keywords())
    _say_data(opened)
    beyond = 0.25 if options.margin is None else options.margin
    line = Line.of(opened, points=_points(options, 25), beyond=beyond, t_range=options.x_range)
    keywords: dict[str, Any] = {name: getattr(options, name) for name in _HOW}
    if options.dry_run:
        choice, images = trial_line(line, **keywords), len(opened.task.images)
        print(f"line: {' to '.join(opened.names)}; {len(line.t)} points from {line.t[0]:g} to {line.t[-1]:g}")
        _say_cost(len(line.t), images, choice)
        return
    profile, written = draw_line(line, out=options.out or Path("figures"), formats=options.format, **keywords)
    print(report_line(profile))
    command.say_written(written)


def _say_data(opened: "Opened") -> None:
    task = opened.task
    print(
        f"{task.images.name}, target {task.target}: {len(task.images):,} images, of which "
        f"{len(task.source_rows('in')):,} train and {len(task.target_rows()):,} test, at every point"
    )


def _say_cost(passes: int, images: int, choice: "Choice", most: str = "") -> None:
    print(f"passes over the data: {most}{passes} of {images:,} images = {passes * images:,} forward passes")
    print(
        f"estimated time: {most}{passes * choice.seconds:.0f} s ({images / choice.seconds:,.0f} images/s in "
        f"a short trial: {choice.precision}, {choice.batch_size} a batch{', compiled' if choice.compiled else ''})"
    )


def _plot_again(options: SurfaceOptions) -> None:
    from landscape.surface.draw import draw_files
    from landscape.surface.draw_line import draw_line_files
    from landscape.surface.profile import Profile
    from landscape.surface.surface import Surface

    assert options.plot_only is not None
    if options.checkpoints:
        raise InputError("--plot-only draws a stored result; leave the checkpoints out.")
    stem = (options.out or options.plot_only.parent) / options.plot_only.stem
    if options.plane == "line" or options.plot_only.name.startswith("line-"):
        written = draw_line_files(Profile.load(options.plot_only), stem, formats=options.format)
    else:
        written = draw_files(Surface.load(options.plot_only), stem, formats=options.format)
    command.say_written(written)


def _points(options: SurfaceOptions, default: int) -> int:
    return default if options.points is None else options.points


def _where(options: SurfaceOptions) -> dict[str, Any]:
    """What decides which points there are, and what their values depend on."""
    from landscape.surface.options import Options

    return {
        "points": _points(options, 7),
        "margin": 0.2 if options.margin is None else options.margin,
        "x_range": options.x_range,
        "y_range": options.y_range,
        "options": Options(options.subset, options.adaptive, options.mixture, options.batch_norm),
        "directions": None if options.plane == "through" else options.plane,
        "hessian_images": options.hessian_images,
    }


def _dry_run(setting: "Setting", options: SurfaceOptions) -> None:
    from landscape.evaluation.features import FrozenFeatures
    from landscape.surface.measure import trial
    from landscape.surface.plan import Plan

    plan = Plan.of(setting, **_where(options), device=options.device)
    choice = trial(plan, **{name: getattr(options, name) for name in _HOW})
    images = min(len(setting.task.images), options.subset or len(setting.task.images))
    grid, most = plan.grid, "at most " if options.adaptive else ""
    angle = f"angle {plan.plane.angle:.1f} degrees" if plan.plane.kind == "through" else options.plane
    print(f"plane: {', '.join(setting.names)}; {angle}")
    print(
        f"grid: {len(grid.x)} x {len(grid.y)} points, x {grid.x[0]:.4g} to {grid.x[-1]:.4g}, "
        f"y {grid.y[0]:.4g} to {grid.y[-1]:.4g}"
    )
    _say_cost(plan.evaluations, images, choice, most)
    # The network as built; as evaluated, with origin, directions and row of the points. Checkpoints are mapped files; a
    # plane of directions holds its three vectors in float64.
    copies = 1 + (10 if choice.precision == "fp64" else 5) + (0 if plan.plane.kind == "through" else 6)
    copies += 3 if options.batch_norm == "recomputed" else 0  # a network more, and a point in float64
    size = sum(parameter.numel() for parameter in setting.network.parameters()) * 4 / 2**20
    print(f"estimated memory: {copies * size:,.0f} MiB for weights ({copies} copies), beside the activations")
    if options.batch_norm == "recomputed":
        train = len(setting.task.source_rows("in"))
        print(f"batch norm: every point passes over {train:,} training images once more; the time leaves that out")
    if options.batch_norm == "frozen" and FrozenFeatures.fits((plan.plane.e1, plan.plane.e2)):
        print("the points differ in the classifier alone: one pass computes its inputs, the time is far less")
    for reason in choice.reasons:
        print(f"trial: {reason}")
    for note in setting.notes:
        print(f"note: {note}")


if __name__ == "__main__":
    command.run(main)
