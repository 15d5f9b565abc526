"""Latent codes, mixup codes, t-SNE and coverage: ``python -m landscape.embedding RUN``."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from landscape import command
from landscape.analysis import Shared, say_opening
from landscape.embedding.recipe import Recipe
from landscape.errors import InputError

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
    shared: Annotated[Shared[Literal["png", "pdf", "svg"]], tyro.conf.arg(name="")] = field(default_factory=Shared)


def main(args: list[str] | None = None) -> None:
    """Parse, embed, draw, print what came out."""
    options = command.parse(EmbeddingOptions, prog="python -m landscape.embedding", description=DESCRIPTION, args=args)
    shared = options.shared
    if shared.stored(options.checkpoints):
        _again(options)
        return
    if not 1 <= len(options.checkpoints) <= 4:
        raise InputError(
            f"got {len(options.checkpoints)} checkpoints; expected one, or up to four to compare "
            "(or --plot-only RESULT.nc)."
        )
    from landscape.opened import Opened

    say_opening()
    opened = Opened.open(options.checkpoints, **shared.overrides.keywords())
    if shared.dry_run:
        from landscape.embedding.plan import Plan

        print(Plan.of(opened, options.recipe).describe(opened, shared.compute))
        return
    from landscape.embedding.draw import draw
    from landscape.embedding.mingling import compare
    from landscape.embedding.report import mixing_lines, report

    embeddings, written = draw(opened, options.recipe, shared.compute, out=shared.folder, formats=shared.format)
    print("\n\n".join(report(embedding) for embedding in embeddings))
    if len(embeddings) > 1:
        print("\n".join(["", *mixing_lines(compare(embeddings))]))
    command.say_written(written, done="embedded")


def _again(options: EmbeddingOptions) -> None:
    """Draw stored results once more, several in one figure."""
    from landscape.embedding.draw import draw_files
    from landscape.embedding.embedding import Embedding

    (first, stem), *others = options.shared.stored(options.checkpoints)
    embeddings = [Embedding.load(path) for path in (first, *(path for path, _ in others))]
    stem = stem.with_name("-".join([stem.name, *(path.stem[-8:] for path, _ in others)]))
    command.say_written(draw_files(embeddings, stem, options.shared.format, again=True))


if __name__ == "__main__":
    command.run(main)
