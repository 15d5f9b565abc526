"""The loss surface through three checkpoints, or the line between two: ``python -m landscape.surface A B C``."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from landscape import command
from landscape.analysis import Shared, say_data, say_notes, say_opening
from landscape.compute import Compile, Compute, Workers
from landscape.errors import InputError
from landscape.surface.recipe import Recipe, Where

if TYPE_CHECKING:
    from pathlib import Path

    from landscape.evaluation.timing import Choice
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
Formats = Literal["png", "pdf", "svg", "html"]


@dataclass(frozen=True)
class SurfaceOptions:
    """Flags of the command."""

    checkpoints: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="A [B [C]]")] = ()
    """Three checkpoints, A being the origin; with --plane line two, A and B; with pca, random or hessian A alone."""
    recipe: Annotated[Recipe, tyro.conf.arg(name="")] = field(default_factory=Recipe)
    where: Annotated[Where, tyro.conf.arg(name="")] = field(default_factory=Where)
    shared: Annotated[Shared[Formats], tyro.conf.arg(name="")] = field(
        default_factory=lambda: Shared[Formats](format=("png", "pdf", "html"))
    )
    compiled: Compile = "auto"
    """torch.compile; auto: when a timing finds that it pays back the time it takes."""
    workers: Workers = "none"
    """ray: share the points among Ray's workers (pip install 'dg-landscape[distributed]'): those at RAY_ADDRESS, else
    one on each core here, one thread each. The values are those of one process with one thread."""

    @property
    def compute(self) -> Compute:
        """Device, precision, batch size, compiled or not, and by whom."""
        return replace(self.shared.compute, compiled=self.compiled, workers=self.workers)


def main(args: list[str] | None = None) -> None:
    """Parse, measure, draw, print what came out."""
    options = command.parse(SurfaceOptions, prog="python -m landscape.surface", description=DESCRIPTION, args=args)
    if stored := options.shared.stored(options.checkpoints):
        command.say_written([file for path, stem in stored for file in _again(options, path, stem)])
        return
    plane = options.recipe.plane
    count, expected = len(options.checkpoints), _COUNTS.get(plane, 1)
    if plane == "through" and count != 3:
        raise InputError(
            f"got {count} checkpoints; expected three: A, the origin of the plane, B and C (or --plot-only RESULT.nc, "
            "two with --plane line, or one with --plane pca, random or hessian)."
        )
    if count != expected:
        raise InputError(f"got {count} checkpoints; --plane {plane} goes through {'two' if expected == 2 else 'one'}.")
    if plane == "line":
        _line(options)
        return
    from landscape.surface.distributed import check
    from landscape.surface.setting import Setting

    check(options.workers)
    say_opening()
    first, *others = options.checkpoints
    opening = options.shared.overrides.keywords()
    setting = Setting.through(first, *others, **opening) if others else Setting.around(first, **opening)
    _say_images(setting)
    if options.shared.dry_run:
        _dry_run(setting, options)
        return
    from landscape.surface.draw import draw
    from landscape.surface.report import report

    surface, written = draw(
        setting,
        options.where,
        options.recipe,
        options.compute,
        out=options.shared.folder,
        formats=options.shared.format,
    )
    print(report(surface))
    command.say_written(written)


def _line(options: SurfaceOptions) -> None:
    plain, usual = SurfaceOptions(), Recipe(plane="line")
    named = [(name, getattr(options.recipe, name) != getattr(usual, name)) for name in vars(usual)]
    named += [("y_range", options.where.y_range is not None), ("workers", options.workers != plain.workers)]
    if given := [name for name, differs in named if differs]:
        raise InputError(f"--plane line takes no --{given[0].replace('_', '-')}; leave it out.")
    say_opening()
    from landscape.opened import Opened
    from landscape.surface.draw_line import draw_line
    from landscape.surface.line import Line, time_line
    from landscape.surface.report import report_line

    opened = Opened.open(options.checkpoints, **options.shared.overrides.keywords())
    _say_images(opened)
    line = Line.of(opened, options.where)
    if options.shared.dry_run:
        choice, images = time_line(line, options.compute), len(opened.task.images)
        print(f"line: {' to '.join(opened.names)}; {len(line.t)} points from {line.t[0]:g} to {line.t[-1]:g}")
        _say_cost(len(line.t), images, choice)
        return
    profile, written = draw_line(line, options.compute, out=options.shared.folder, formats=options.shared.format)
    print(report_line(profile))
    command.say_written(written)


def _say_images(opened: "Opened") -> None:
    task = opened.task
    say_data(
        opened,
        f"{len(task.images):,} images, of which {len(task.source_rows('in')):,} train and "
        f"{len(task.target_rows()):,} test, at every point",
    )


def _say_cost(passes: int, images: int, choice: "Choice", most: str = "") -> None:
    print(f"passes over the data: {most}{passes} of {images:,} images = {passes * images:,} forward passes")
    print(
        f"estimated time: {most}{passes * choice.seconds:.0f} s ({images / choice.seconds:,.0f} images/s in "
        f"a short timing: {choice.precision}, {choice.batch_size} a batch{', compiled' if choice.compiled else ''})"
    )


def _again(options: SurfaceOptions, path: "Path", stem: "Path") -> "list[Path]":
    """Draw a stored result once more."""
    if options.recipe.plane == "line" or path.name.startswith("line-"):
        from landscape.surface.draw_line import draw_line_files
        from landscape.surface.profile import Profile

        return draw_line_files(Profile.load(path), stem, options.shared.format, again=True)
    from landscape.surface.draw import draw_files
    from landscape.surface.surface import Surface

    return draw_files(Surface.load(path), stem, options.shared.format, again=True)


def _dry_run(setting: "Setting", options: SurfaceOptions) -> None:
    from landscape.evaluation.features import FrozenFeatures
    from landscape.surface.measure import time_plan
    from landscape.surface.plan import Plan

    recipe, compute = options.recipe, options.compute
    plan = Plan.of(setting, options.where, recipe, device=compute.device)
    choice = time_plan(plan, compute)
    images = min(len(setting.task.images), recipe.subset or len(setting.task.images))
    grid, most = plan.grid, "at most " if recipe.adaptive else ""
    angle = f"angle {plan.plane.angle:.1f} degrees" if plan.plane.kind == "through" else recipe.plane
    print(f"plane: {', '.join(setting.names)}; {angle}")
    print(
        f"grid: {len(grid.x)} x {len(grid.y)} points, x {grid.x[0]:.4g} to {grid.x[-1]:.4g}, "
        f"y {grid.y[0]:.4g} to {grid.y[-1]:.4g}"
    )
    _say_cost(plan.evaluations, images, choice, most)
    # The network as built; as evaluated, with origin, directions and row of the points. Checkpoints are mapped files; a
    # plane of directions holds its three vectors in float64.
    copies = 1 + (10 if choice.precision == "fp64" else 5) + (0 if plan.plane.kind == "through" else 6)
    copies += 3 if recipe.batch_norm == "recomputed" else 0  # a network more, and a point in float64
    size = sum(parameter.numel() for parameter in setting.network.parameters()) * 4 / 2**20
    print(f"estimated memory: {copies * size:,.0f} MiB for weights ({copies} copies), beside the activations")
    if recipe.batch_norm == "recomputed":
        train = len(setting.task.source_rows("in"))
        print(f"batch norm: every point passes over {train:,} training images once more; the time leaves that out")
    if recipe.batch_norm == "frozen" and FrozenFeatures.fits((plan.plane.e1, plan.plane.e2)):
        print("the points differ in the classifier alone: one pass computes its inputs, the time is far less")
    for reason in choice.reasons:
        print(f"timing: {reason}")
    say_notes(setting.notes)


if __name__ == "__main__":
    command.run(main)
