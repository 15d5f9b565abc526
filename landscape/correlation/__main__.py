"""Learned compatibility scores against gradient cosine: ``python -m landscape.correlation RUN``."""

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
    pairs: int = 200
    """Same-class pairs of images for every ordered pair of source domains."""
    groups: int = 200
    """Groups of one same-class image per source, for the scores within groups."""
    null: int = 100
    """Random initialisations of S to compare with, at least 30."""
    images: Literal["in", "out", "all"] = "in"
    """Draw among the training images (in), the held-out ones (out) or all."""
    draw: int = 0
    """Another number draws other pairs, groups and initialisations."""
    resamples: int = 2000
    """Bootstrap samples for the intervals."""
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
    """Arithmetic of the network's forward pass; scores and cosines are float64 always."""
    batch_size: int | None = None
    """Images a forward pass; by default chosen by the device."""


def main(args: list[str] | None = None) -> None:
    """Parse, measure, draw, print what came out."""
    options = command.parse(
        CorrelationOptions, prog="python -m landscape.correlation", description=DESCRIPTION, args=args
    )
    if options.plot_only is not None:
        _plot_again(options)
        return
    if len(options.checkpoint) != 1:
        raise InputError(
            f"got {len(options.checkpoint)} checkpoints; expected one, of FGMix or of variant E "
            "(or --plot-only RESULT.nc)."
        )
    if options.resamples < 200:
        raise InputError(f"--resamples is {options.resamples}; expected at least 200.")
    from landscape.correlation.plan import Plan
    from landscape.correlation.setting import Setting

    print("opening checkpoint and data", file=sys.stderr)
    setting = Setting.at(options.checkpoint[0], **options.overrides.keywords())
    plan = Plan.of(
        setting,
        pairs=options.pairs,
        groups=options.groups,
        untrained=options.null,
        part=options.images,
        draw=options.draw,
    )
    if options.dry_run:
        _dry_run(plan, options)
        return
    from landscape.correlation.draw import draw
    from landscape.correlation.report import report

    association, written = draw(
        plan,
        out=options.out or Path("figures"),
        formats=options.format,
        resamples=options.resamples,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
    )
    print(report(association))
    command.say_written(written)


def _plot_again(options: CorrelationOptions) -> None:
    from landscape.correlation.association import Association
    from landscape.correlation.draw import draw_files

    assert options.plot_only is not None
    if options.checkpoint:
        raise InputError("--plot-only draws a stored result; leave the checkpoint out.")
    association = Association.load(options.plot_only)
    stem = (options.out or options.plot_only.parent) / options.plot_only.stem
    command.say_written(draw_files(association, stem, formats=options.format))


def _dry_run(plan: "Plan", options: CorrelationOptions) -> None:
    from landscape.correlation.measure import trial

    setting = plan.setting
    forward, score = trial(plan, device=options.device, precision=options.precision, batch_size=options.batch_size)
    print(f"{setting.names[0]} ({setting.checkpoint.label}): {setting.policy_steps} policy steps")
    print(f"sources {', '.join(setting.task.sources)}; target {setting.task.target} takes no part")
    for pair in plan.pairs:
        print(f"  S({pair.first}, {pair.second}): {len(pair)} same-class pairs")
    print(f"  within groups: {len(plan.groups)} groups of {len(setting.task.sources)}")
    print(f"forward passes: {len(plan.rows):,} images; untrained scores: {plan.untrained}")
    print(f"estimated time: {forward + (plan.untrained + 2) * score:.0f} s")
    for note in (*setting.notes, *plan.notes):
        print(f"note: {note}")


if __name__ == "__main__":
    command.run(main)
