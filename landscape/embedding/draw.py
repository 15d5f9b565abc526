"""From checkpoints to files: a result for each, figure 4 for one, figure 9 for several; each made once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.compute import DEFAULT, Compute
from landscape.embedding.embedding import FORMAT, Embedding
from landscape.embedding.recipe import PLAIN, Recipe
from landscape.storage import digest
from landscape.stored import FORMATS, Format, draw_missing, find_or_make, remove_figures, stem_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from landscape.opened import Opened


def draw(
    opened: "Opened",
    recipe: Recipe = PLAIN,
    compute: Compute = DEFAULT,
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    note: str = "",
    progress: bool = True,
) -> tuple[list[Embedding], list[Path]]:
    """Embed each checkpoint, or find it embedded, and draw what is missing; see :func:`landscape.stored.find_or_make`.

    One checkpoint gives figure 4, with the recipe's mixup codes. Several give figure 9: images only, each network's
    codes in a t-SNE of their own.

    Args:
        opened: the checkpoints with their network and data.
        recipe: the settings; with several checkpoints its mixup codes and coverage are left out.
        compute: device, precision, batch size.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw.
        note: a sentence to add to the figures' captions.
        progress: show bars.

    Returns:
        The embeddings, and the files that were written: none when everything was there already.
    """
    compute = opened.resolve(compute.alone(), progress=progress)
    several = len(opened.checkpoints) > 1
    recipe = recipe.of_images() if several else recipe
    embeddings: list[Embedding] = []
    written: list[Path] = []
    keys: list[str] = []
    for index in range(len(opened.checkpoints)):
        one = opened.only(index)
        key = key_of(one, recipe, compute.exact)
        stem = stem_of("embedding", one, key, out=out, name=f"{name}-{index + 1}" if name and several else name)

        def make(journal: Path, one: "Opened" = one) -> Embedding:
            from landscape.embedding.checkpoint_codes import codes_of
            from landscape.embedding.fit import embed_codes

            return embed_codes(codes_of(one, recipe, compute), recipe, journal=journal, progress=progress)

        embedding, files = find_or_make(stem, key, Embedding.load, make)
        keys.append(key)
        embeddings.append(embedding)
        written += files
    if several:
        stem = stem_of("embeddings", opened, digest(*keys), out=out, name=name)
        if written:
            remove_figures(stem)
    return embeddings, [*written, *draw_files(embeddings, stem, formats, note=note)]


def key_of(opened: "Opened", recipe: Recipe, precision: str) -> str:
    """A hash of everything that the embedding of one checkpoint depends on."""
    from landscape.embedding.checkpoint_codes import weigher_of

    weigher = opened.files.content(weigher_of(opened)[0]) if recipe.codes else ""
    return digest(str(FORMAT), opened.digest(), weigher, repr(recipe), precision)


def draw_files(
    embeddings: Sequence[Embedding],
    stem: Path,
    formats: Sequence[Format] = FORMATS,
    *,
    note: str = "",
    again: bool = False,
) -> list[Path]:
    """Draw one embedding as figure 4, several as figure 9, into ``STEM.png`` and so on.

    `again`: also the files that exist.
    """
    alone = len(embeddings) == 1

    def figure() -> "Figure":
        from matplotlib.figure import Figure

        from landscape.embedding.mingling import compare
        from landscape.plots.fig4 import plot_fig4
        from landscape.plots.fig9 import plot_fig9

        if alone:
            return plot_fig4(embeddings[0], figure=Figure(), note=note)
        return plot_fig9(embeddings, differences=compare(embeddings), figure=Figure(), note=note)

    title = "Latent codes and mixup codes" if alone else "Latent codes by class and by domain"
    return draw_missing(stem, {"": figure}, formats, title=title, about=embeddings[0].about, again=again)
