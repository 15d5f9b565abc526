"""Flatness curves and curvature of checkpoints: ``python -m landscape.flatness RUN ...``."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from landscape import command
from landscape.analysis import Shared, say_data, say_notes, say_opening
from landscape.errors import InputError
from landscape.flatness.recipe import CurvatureRecipe, Recipe

if TYPE_CHECKING:
    from pathlib import Path

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
    groups_from: str | None = None
    """The checkpoint that freezes groups and weights of the mixup codes that all methods share; by default the last
    one given that has a policy."""
    subset: int | None = None
    """Use about this many training images, stratified by domain and class; by default all."""
    recipe: Annotated[Recipe, tyro.conf.arg(name="")] = field(default_factory=Recipe)
    curvature: bool = False
    """Measure curvature along the runs instead of curves."""
    along: Annotated[CurvatureRecipe, tyro.conf.arg(name="")] = field(default_factory=CurvatureRecipe)
    shared: Annotated[Shared[Literal["png", "pdf", "svg"]], tyro.conf.arg(name="")] = field(default_factory=Shared)


def main(args: list[str] | None = None) -> None:
    """Parse, measure, draw, print what came out."""
    options = command.parse(FlatnessOptions, prog="python -m landscape.flatness", description=DESCRIPTION, args=args)
    if stored := options.shared.stored(options.checkpoints):
        command.say_written([file for path, stem in stored for file in _again(options, path, stem)])
        return
    if not options.checkpoints:
        raise InputError("got no checkpoint; expected at least one RUN[@STEP|@swa] (or --plot-only RESULT.nc).")
    say_opening()
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
        subset_seed=options.recipe.direction_seed,
        **options.shared.overrides.keywords(),
    )
    of_all = f"{len(setting.images):,} of {len(setting.task.source_rows('in')):,} training images"
    say_data(setting, f"{', '.join(setting.methods)}; losses over {of_all}")
    if options.shared.dry_run:
        _dry_run_curves(setting, options)
        return
    recipe, shared = options.recipe, options.shared
    flatness, written = draw(setting, recipe, shared.compute, out=shared.folder, formats=shared.format)
    print(report(flatness, recipe.statistic))
    command.say_written(written)


def _curvature(options: FlatnessOptions) -> None:
    from landscape.flatness.curvature import CurvaturePlan, time_product
    from landscape.flatness.draw_curvature import draw_path
    from landscape.flatness.report import report_path
    from landscape.opened import Opened

    shared, device = options.shared, options.shared.device
    recipe = replace(options.along, scope=options.recipe.scope, direction_seed=options.recipe.direction_seed)
    opened = Opened.open(options.checkpoints, **shared.overrides.keywords())
    plan = CurvaturePlan.of(opened, recipe)
    say_data(
        opened,
        f"{len(plan.distinct)} checkpoints, {plan.points} curvatures; the full network on {len(plan.rows):,}, the "
        f"classifier on {len(opened.task.source_rows('in')):,} training images",
    )
    if shared.dry_run:
        if "full" in recipe.scope:
            seconds = time_product(plan, device=device)
            products = 40 + recipe.trace_vectors
            ends = sum(stop.end for stop in plan.distinct) if recipe.density else 0
            total = (len(plan.distinct) * products + ends * 170) * len(recipe.matrix)
            print(f"a product with the full network's matrix takes {seconds:.2f} s; about {total:,} of them are needed")
            print(f"estimated time: {total * seconds:.0f} s (Lanczos may take fewer or more); the classifier: seconds")
        return
    path, written = draw_path(plan, out=shared.folder, formats=shared.format, device=device)
    print(report_path(path))
    command.say_written(written)


def _again(options: FlatnessOptions, path: "Path", stem: "Path") -> "list[Path]":
    """Draw a stored result once more."""
    if options.curvature or path.name.startswith("curvature"):
        from landscape.flatness.draw_curvature import draw_path_files
        from landscape.flatness.path import CurvaturePath

        return draw_path_files(CurvaturePath.load(path), stem, options.shared.format, again=True)
    from landscape.flatness.comparison import Flatness
    from landscape.flatness.draw import draw_files

    statistic = options.recipe.statistic
    return draw_files(Flatness.load(path), stem, options.shared.format, statistic=statistic, again=True)


def _dry_run_curves(setting: "Setting", options: FlatnessOptions) -> None:
    from landscape.flatness.measure import time_point

    recipe = options.recipe
    seconds, parameters = time_point(setting, options.shared.compute)
    gammas = recipe.steps if recipe.gammas is None else len(recipe.gammas)
    images, methods, moved = len(setting.images), len(setting.methods), " and ".join(recipe.scope)
    print(f"{methods} methods x {recipe.directions} directions x {gammas} gammas, scope {moved}")
    if "full" in recipe.scope:
        points = methods * (1 + recipe.directions * gammas)
        # The pilot: some ten distances at five directions each.
        pilot = 50 if recipe.gammas is None else 0
        print(
            f"passes over the data: {points:,}{f' and about {pilot} of the pilot' if pilot else ''}, {images:,} images "
            f"each = {(points + pilot) * images:,} forward passes"
        )
        print(f"estimated time: {(points + pilot) * seconds:.0f} s ({seconds:.2f} s a point in a short timing)")
        size = 4 * parameters / 2**20
        print(f"memory: the forward pass and 4 float32 copies of the weights, {4 * size:.0f} MiB")
    if "classifier" in recipe.scope:
        print(f"the classifier: {methods} passes over the data, then products with its codes")
    say_notes(setting.notes)


if __name__ == "__main__":
    command.run(main)
