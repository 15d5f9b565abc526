"""The loss surface through three checkpoints: ``python -m landscape.surface A B C``."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from landscape import command
from landscape.config import Device
from landscape.errors import InputError
from landscape.overrides import Overrides

if TYPE_CHECKING:
    from landscape.surface.options import Options
    from landscape.surface.setting import Setting

DESCRIPTION = """Loss and accuracy on the plane through three checkpoints, with the optimisation paths on it.

A, B and C are checkpoint files or RUN[@STEP|@swa] (RUN: a run's folder, or the beginning of its name); A is the
plane's origin. Model, data, target and split come from the checkpoints; every value is over the entire data.
Writes the result (.nc), a figure and an interactive page. An interrupted call continues, a finished one is not
repeated. With --plane, one checkpoint is enough: its own path's principal components, or random directions.

Examples:
  python -m landscape.surface sixstyles-sketch-erm@0 sixstyles-sketch-erm@swa sixstyles-sketch-fgmix@swa
  python -m landscape.surface a.safetensors b.safetensors c.safetensors --model resnet18 --data images/ --target art
  python -m landscape.surface --plot-only figures/surface-sixstyles-sketch-0123abcd.nc --format svg
"""


@dataclass(frozen=True)
class SurfaceOptions:
    """Flags of the command."""

    checkpoints: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="A B C")] = ()
    """The three checkpoints; A is the origin."""
    plane: Literal["through", "pca", "random"] = "through"
    """through: A, B and C. Around A alone: pca, the two largest principal components of its recorded path, or random,
    two random filter-normalised directions (Li et al. 2018)."""
    points: int = 7
    """Grid points along each axis."""
    margin: float = 0.2
    """Room around paths and anchors on each side, as a fraction of their extent."""
    x_range: tuple[float, float] | None = None
    """First and last x, in place of the computed ones."""
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
    """Arithmetic of the forward passes; sums are float64 always. auto: what this machine is fastest in; what bf16 and
    tf32 cost against float32 is measured and printed."""
    batch_size: int | None = None
    """Images a forward pass; by default chosen by the device and, when the work is long, by a trial."""
    compiled: Literal["auto", "on", "off"] = "auto"
    """torch.compile; auto: when a trial finds that it pays back the time it takes."""
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
    count = len(options.checkpoints)
    if options.plane == "through" and count != 3:
        raise InputError(
            f"got {count} checkpoints; expected three: A, the origin of the plane, B and C (or --plot-only RESULT.nc, "
            "or one with --plane pca or --plane random)."
        )
    if options.plane != "through" and count != 1:
        raise InputError(f"got {count} checkpoints; --plane {options.plane} goes through one.")
    from landscape.surface.setting import Setting

    print("opening checkpoints and data", file=sys.stderr)
    first, *others = options.checkpoints
    through = partial(Setting.through, first, *others) if others else partial(Setting.around, first)
    setting = through(**options.overrides.keywords())
    task = setting.task
    print(
        f"{task.images.name}, target {task.target}: {len(task.images):,} images, of which "
        f"{len(task.source_rows('in')):,} train and {len(task.target_rows()):,} test, at every point"
    )
    if options.dry_run:
        _dry_run(setting, options)
        return
    from landscape.surface.draw import draw
    from landscape.surface.report import report

    surface, written = draw(
        setting,
        out=options.out or Path("figures"),
        formats=options.format,
        points=options.points,
        margin=options.margin,
        x_range=options.x_range,
        y_range=options.y_range,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
        compiled=options.compiled,
        options=_options(options),
        directions=None if options.plane == "through" else options.plane,
    )
    print(report(surface))
    if not written:
        print("nothing to do: this surface has been measured and drawn before")
    for path in written:
        print(f"wrote {path}")


def _plot_again(options: SurfaceOptions) -> None:
    from landscape.surface.draw import draw_files
    from landscape.surface.surface import Surface

    assert options.plot_only is not None
    if options.checkpoints:
        raise InputError("--plot-only draws a stored result; leave the checkpoints out.")
    surface = Surface.load(options.plot_only)
    stem = (options.out or options.plot_only.parent) / options.plot_only.stem
    for path in draw_files(surface, stem, formats=options.format):
        print(f"wrote {path}")


def _options(given: SurfaceOptions) -> "Options":
    from landscape.surface.options import Options

    return Options(given.subset, given.adaptive, given.mixture, given.batch_norm)


def _dry_run(setting: "Setting", options: SurfaceOptions) -> None:
    from landscape.surface.measure import trial
    from landscape.surface.plan import Plan

    plan = Plan.of(
        setting,
        points=options.points,
        margin=options.margin,
        x_range=options.x_range,
        y_range=options.y_range,
        options=_options(options),
        directions=None if options.plane == "through" else options.plane,
    )
    choice = trial(
        plan,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
        compiled=options.compiled,
    )
    images = min(len(setting.task.images), options.subset or len(setting.task.images))
    grid, most = plan.grid, "at most " if options.adaptive else ""
    angle = f"angle {plan.plane.angle:.1f} degrees" if plan.plane.kind == "through" else options.plane
    print(f"plane: {', '.join(setting.names)}; {angle}")
    print(
        f"grid: {len(grid.x)} x {len(grid.y)} points, x {grid.x[0]:.4g} to {grid.x[-1]:.4g}, "
        f"y {grid.y[0]:.4g} to {grid.y[-1]:.4g}"
    )
    print(
        f"passes over the data: {most}{plan.evaluations} of {images:,} images = {plan.evaluations * images:,} forward "
        "passes"
    )
    print(
        f"estimated time: {most}{plan.evaluations * choice.seconds:.0f} s ({images / choice.seconds:,.0f} images/s in "
        f"a short trial: {choice.precision}, {choice.batch_size} a batch{', compiled' if choice.compiled else ''})"
    )
    weights = sum(parameter.numel() for parameter in setting.network.parameters())
    print(
        f"estimated memory: {(9 * 4 * weights + 4 * 8 * weights) / 2**20:,.0f} MiB for weights, beside the activations"
    )
    for reason in choice.reasons:
        print(f"trial: {reason}")
    for note in setting.notes:
        print(f"note: {note}")


if __name__ == "__main__":
    command.run(main)
