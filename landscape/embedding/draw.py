"""From checkpoints to files: a result for each, figure 4 for one, figure 9 for several; each made once."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from landscape.embedding.embedding import FORMAT, Embedding
from landscape.embedding.recipe import Recipe
from landscape.errors import InputError
from landscape.storage import digest

if TYPE_CHECKING:
    from landscape.evaluation.evaluator import Precision
    from landscape.opened import Opened

Format = Literal["png", "pdf", "svg"]
FORMATS: tuple[Format, ...] = ("png", "pdf")


def draw(
    opened: "Opened",
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    recipe: Recipe | None = None,
    device: str = "auto",
    precision: "Precision" = "fp32",
    batch_size: int | None = None,
    note: str = "",
    progress: bool = True,
) -> tuple[list[Embedding], list[Path]]:
    """Embed each checkpoint, or find it embedded, and draw what is missing.

    Results are found by the hash of their inputs. One checkpoint gives figure 4, with the recipe's mixup codes.
    Several give figure 9: images only, each network's codes in a t-SNE of their own.

    Args:
        opened: the checkpoints with their network and data.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw.
        recipe: the settings; with several checkpoints its mixup codes and coverage are left out.
        device: where to compute.
        precision: ``fp32``, ``bf16`` or ``fp64``.
        batch_size: images a forward pass; None: chosen by the device.
        note: a sentence to add to the figures' captions.
        progress: show bars.

    Returns:
        The embeddings, and the files that were written: none when everything was there already.
    """
    recipe = recipe or Recipe()
    several = len(opened.checkpoints) > 1
    if several:
        recipe = replace(recipe, codes=(), dimensions=())
    embeddings, written, keys = [], [], []
    for index in range(len(opened.checkpoints)):
        one = replace(opened, checkpoints=opened.checkpoints[index : index + 1], names=opened.names[index : index + 1])
        config = one.checkpoints[0].config
        one = replace(one, seeds=(config.seed,) if config else ())
        keys.append(key_of(one, recipe, precision))
        stem = _stem(one, out, keys[-1], f"{name}-{index + 1}" if name and several else name)
        embedding = _finished(stem.with_name(f"{stem.name}.nc"), keys[-1])
        if embedding is None:
            embedding = _make(one, recipe, stem, keys[-1], device, precision, batch_size, progress)
            written.append(stem.with_name(f"{stem.name}.nc"))
        embeddings.append(embedding)
    if several:
        stem = _stem(opened, out, digest(*keys), name, word="embeddings")
        if written:
            _forget(stem)
    missing = [each for each in formats if not stem.with_name(f"{stem.name}.{each}").is_file()]
    return embeddings, [*written, *draw_files(embeddings, stem, formats=missing, note=note)]


def key_of(opened: "Opened", recipe: Recipe, precision: str) -> str:
    """A hash of everything that the embedding of one checkpoint depends on."""
    from landscape.embedding.checkpoint_codes import weigher_of
    from landscape.opened import content_digest

    weigher = content_digest(weigher_of(opened)[0]) if recipe.codes else ""
    return digest(str(FORMAT), opened.digest(), weigher, repr(recipe), precision)


def draw_files(
    embeddings: Sequence[Embedding], stem: Path, *, formats: Sequence[Format] = FORMATS, note: str = ""
) -> list[Path]:
    """Draw one embedding as figure 4, several as figure 9, into ``STEM.png`` and so on."""
    if not formats:
        return []
    from matplotlib.figure import Figure

    from landscape.embedding.mingling import compare
    from landscape.plots import theme
    from landscape.plots.fig4 import plot_fig4
    from landscape.plots.fig9 import plot_fig9

    about = embeddings[0].about.get("provenance", {})
    if len(embeddings) == 1:
        figure = plot_fig4(embeddings[0], figure=Figure(), note=note)
        return theme.save(figure, stem, formats=formats, about={"title": "Latent codes and mixup codes", **about})
    figure = plot_fig9(embeddings, differences=compare(embeddings), figure=Figure(), note=note)
    return theme.save(figure, stem, formats=formats, about={"title": "Latent codes by class and by domain", **about})


def _make(
    opened: "Opened",
    recipe: Recipe,
    stem: Path,
    key: str,
    device: str,
    precision: "Precision",
    batch_size: int | None,
    progress: bool,
) -> Embedding:
    from landscape.embedding.checkpoint_codes import codes_of
    from landscape.embedding.fit import embed_codes

    codes = codes_of(opened, recipe, device=device, precision=precision, batch_size=batch_size)
    journal = stem.with_name(f"{stem.name}.journal.jsonl")
    embedding = embed_codes(codes, recipe, journal=journal, progress=progress)
    embedding = replace(embedding, about={**embedding.about, "key": key})
    embedding.save(stem.with_name(f"{stem.name}.nc"))
    journal.unlink(missing_ok=True)
    _forget(stem)
    return embedding


def _stem(opened: "Opened", out: Path | str, key: str, name: str | None, word: str = "embedding") -> Path:
    words = [opened.task.images.name, opened.task.target, key[:8]]
    return Path(out) / (name or "-".join([word, *(re.sub(r"[^a-z0-9]+", "-", each.lower()) for each in words)]))


def _forget(stem: Path) -> None:
    """Remove figures of an earlier result under this name: they are out of date."""
    for old in get_args(Format):
        stem.with_name(f"{stem.name}.{old}").unlink(missing_ok=True)


def _finished(path: Path, key: str) -> Embedding | None:
    """The stored embedding, if it is the one of these inputs."""
    if not path.is_file():
        return None
    try:
        stored = Embedding.load(path)
    except InputError:  # damaged or of an older version: made again
        return None
    return stored if stored.about.get("key") == key else None
