"""Latent codes, mixup codes, t-SNE and coverage: ``python -m landscape.embedding RUN``."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from landscape import command
from landscape.config import Device
from landscape.embedding.recipe import Recipe
from landscape.errors import InputError
from landscape.overrides import Overrides

if TYPE_CHECKING:
    from landscape.opened import Opened

DESCRIPTION = """Latent codes of all domains and of their mixup in one t-SNE, and how much of the target they cover.

A RUN is a checkpoint file or RUN[@STEP|@swa]. One RUN gives figure 4: images, random interpolations, the run's own
mixup codes; the coverage of the target beside its controls. Several RUNs give figure 9: the images alone, one t-SNE
per model, and how mixed their domains are within class. Writes results (.nc) and a figure; a finished call is not
repeated.

Examples:
  python -m landscape.embedding sixstyles-sketch-fgmix-s0@swa
  python -m landscape.embedding sixstyles-sketch-erm-s0@swa sixstyles-sketch-fgmix-s0@swa --format svg
  python -m landscape.embedding sixstyles-sketch-fgmix-s0@swa --codes a b c d own --dry-run
"""


@dataclass(frozen=True)
class EmbeddingOptions:
    """Flags of the command."""

    checkpoints: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="RUN")] = ()
    """The checkpoint; several to compare them."""
    recipe: Annotated[Recipe, tyro.conf.arg(name="")] = field(default_factory=Recipe)
    out: Path | None = None
    """Folder for the files: figures/, with --plot-only the result's own."""
    format: tuple[Literal["png", "pdf", "svg"], ...] = ("png", "pdf")
    """What to draw."""
    plot_only: tuple[Path, ...] = ()
    """Draw these stored results again, without any model."""
    dry_run: bool = False
    """Print the plan and its estimated time, and stop."""
    overrides: Annotated[Overrides, tyro.conf.arg(name="")] = field(default_factory=Overrides)
    device: Device = "auto"
    """Where to compute."""
    precision: Literal["fp32", "bf16", "fp64"] = "fp32"
    """Arithmetic of the forward passes."""
    batch_size: int | None = None
    """Images a forward pass; by default chosen by the device."""


def main(args: list[str] | None = None) -> None:
    """Parse, embed, draw, print what came out."""
    options = command.parse(EmbeddingOptions, prog="python -m landscape.embedding", description=DESCRIPTION, args=args)
    if options.plot_only:
        _plot_again(options)
        return
    if not 1 <= len(options.checkpoints) <= 4:
        raise InputError(
            f"got {len(options.checkpoints)} checkpoints; expected one, or up to four to compare "
            "(or --plot-only RESULT.nc)."
        )
    from landscape.opened import Opened

    print("opening checkpoints and data", file=sys.stderr)
    opened = Opened.open(options.checkpoints, **options.overrides.keywords())
    if options.dry_run:
        _dry_run(opened, options)
        return
    from landscape.embedding.draw import draw
    from landscape.embedding.mingling import compare
    from landscape.embedding.report import mixing_lines, report

    embeddings, written = draw(
        opened,
        out=options.out or Path("figures"),
        formats=options.format,
        recipe=options.recipe,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
    )
    print("\n\n".join(report(embedding) for embedding in embeddings))
    if len(embeddings) > 1:
        print("\n".join(["", *mixing_lines(compare(embeddings))]))
    command.say_written(written, done="embedded")


def _plot_again(options: EmbeddingOptions) -> None:
    from landscape.embedding.draw import draw_files
    from landscape.embedding.embedding import Embedding

    if options.checkpoints:
        raise InputError("--plot-only draws stored results; leave the checkpoints out.")
    first, *others = options.plot_only
    stem = (options.out or first.parent) / "-".join([first.stem, *(path.stem[-8:] for path in others)])
    embeddings = [Embedding.load(path) for path in options.plot_only]
    command.say_written(draw_files(embeddings, stem, formats=options.format))


def _dry_run(opened: "Opened", options: EmbeddingOptions) -> None:
    from landscape.embedding.plan import Plan

    plan = Plan.of(opened, options.recipe)
    print(plan.describe(opened, device=options.device, precision=options.precision, batch_size=options.batch_size))


if __name__ == "__main__":
    command.run(main)
