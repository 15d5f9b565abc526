"""Learned compatibility scores against gradient cosine: ``python -m landscape.correlation RUN``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from landscape import command
from landscape.analysis import Shared, say_notes, say_opening
from landscape.compute import Compute
from landscape.correlation.recipe import Recipe
from landscape.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from landscape.correlation.plan import Plan

DESCRIPTION = """How far the learned compatibility score S of FGMix goes with the cosine of the gradients.

For every ordered pair of source domains: random same-class pairs of images, S against the cosine of their classifier
gradients at the raw iterate, Spearman's rho with interval and p. The weights determine S only in part, and rho is not
in that part, so beside it: centred scores within groups, rho given both gradient norms, and the same numbers for
untrained scores. CHECKPOINT is a file or RUN[@STEP|@swa] of FGMix or of variant E, from T0 on; for @swa the raw iterate
of that step is taken. Writes the result (.nc) and a figure. A finished result is not computed again.

Examples:
  python -m landscape.correlation sixstyles-sketch-fgmix-s0
  python -m landscape.correlation sixstyles-sketch-fgmix-s0@120 --pairs 500 --null 300 --images out
  python -m landscape.correlation sixstyles-sketch-fgmix-s0@swa --dry-run
"""


@dataclass(frozen=True)
class CorrelationOptions:
    """Flags of the command."""

    checkpoint: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="CHECKPOINT")] = ()
    """A checkpoint whose score S was trained on gradients."""
    recipe: Annotated[Recipe, tyro.conf.arg(name="")] = field(default_factory=Recipe)
    shared: Annotated[Shared[Literal["png", "pdf", "svg"]], tyro.conf.arg(name="")] = field(default_factory=Shared)


def main(args: list[str] | None = None) -> None:
    """Parse, measure, draw, print what came out."""
    options = command.parse(
        CorrelationOptions, prog="python -m landscape.correlation", description=DESCRIPTION, args=args
    )
    shared = options.shared
    if stored := shared.stored(options.checkpoint):
        command.say_written([file for path, stem in stored for file in _again(options, path, stem)])
        return
    if len(options.checkpoint) != 1:
        raise InputError(
            f"got {len(options.checkpoint)} checkpoints; expected one, of FGMix or of variant E "
            "(or --plot-only RESULT.nc)."
        )
    from landscape.correlation.plan import Plan
    from landscape.correlation.setting import Setting

    say_opening()
    plan = Plan.of(Setting.at(options.checkpoint[0], **shared.overrides.keywords()), options.recipe)
    if shared.dry_run:
        _dry_run(plan, shared.compute)
        return
    from landscape.correlation.draw import draw
    from landscape.correlation.report import report

    association, written = draw(plan, shared.compute, out=shared.folder, formats=shared.format)
    print(report(association))
    command.say_written(written)


def _again(options: CorrelationOptions, path: "Path", stem: "Path") -> "list[Path]":
    """Draw a stored result once more."""
    from landscape.correlation.association import Association
    from landscape.correlation.draw import draw_files

    return draw_files(Association.load(path), stem, options.shared.format, again=True)


def _dry_run(plan: "Plan", compute: Compute) -> None:
    from landscape.correlation.measure import time_plan

    setting, untrained = plan.setting, plan.recipe.null
    forward, score = time_plan(plan, compute)
    print(f"{setting.names[0]} ({setting.checkpoint.label}): {setting.policy_steps} policy steps")
    print(f"sources {', '.join(setting.task.sources)}; target {setting.task.target} takes no part")
    for pair in plan.pairs:
        print(f"  S({pair.first}, {pair.second}): {len(pair)} same-class pairs")
    print(f"  within groups: {len(plan.groups)} groups of {len(setting.task.sources)}")
    print(f"forward passes: {len(plan.rows):,} images; untrained scores: {untrained}")
    print(f"estimated time: {forward + (untrained + 2) * score:.0f} s")
    say_notes((*setting.notes, *plan.notes))


if __name__ == "__main__":
    command.run(main)
