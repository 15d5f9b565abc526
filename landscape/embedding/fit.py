"""From codes to an embedding: mixup codes, one joint t-SNE, coverage, mixing."""

from pathlib import Path
from typing import Any, Unpack

import numpy as np
from torch import nn

from landscape.compute import Compute
from landscape.data import Task
from landscape.embedding.checkpoint_codes import codes_of
from landscape.embedding.codes import Codes
from landscape.embedding.coverage import cover
from landscape.embedding.embedding import EXTRAPOLATED, INTERPOLATED, ORIGINAL, Embedding
from landscape.embedding.estimate import Estimate
from landscape.embedding.mingling import mingle
from landscape.embedding.mixed import padded
from landscape.embedding.recipe import Recipe
from landscape.embedding.tsne import embed
from landscape.errors import InputError
from landscape.opened import Opened
from landscape.overrides import Changes
from landscape.storage import provenance


def embed_codes(codes: Codes, recipe: Recipe, *, journal: Path | str | None = None, progress: bool = True) -> Embedding:
    """Embed images and mixup codes jointly, and measure coverage and mixing in latent space.

    Args:
        codes: images and mixup codes.
        recipe: the settings.
        journal: a file that keeps finished linear programmes.
        progress: show bars with the time left.
    """
    count = len(codes)
    made = [mixed.codes(codes.codes) for mixed in codes.mixtures]
    everything = np.concatenate([codes.codes, *made]).astype(np.float32)
    scores, mixing = mingle(codes, recipe)
    notes = list(codes.about.get("notes", []))
    coverage: list[Estimate] = []
    explained = np.empty(0)
    if recipe.dimensions:
        coverage, more, explained = cover(codes, recipe, journal=journal, progress=progress)
        notes += more
    points = embed(
        everything,
        perplexity=recipe.perplexity,
        iterations=recipe.iterations,
        random_state=recipe.random_state,
        progress=progress,
    )
    variant = [np.full(len(part), index) for index, part in enumerate(made)]
    members, weights = padded(codes.mixtures)
    width = members.shape[1]
    kinds = [np.where(mixed.extrapolated, EXTRAPOLATED, INTERPOLATED) for mixed in codes.mixtures]
    extra = sum(map(len, made))
    about = {
        **codes.about,
        "target": codes.target,
        "sources": list(codes.sources or (name for name in codes.domains if name != codes.target)),
        "n": {
            "images": count,
            "pool": int(codes.in_pool.sum()),
            "target": int(codes.is_target.sum()),
            "held_out": int((codes.is_source & codes.held_out).sum()),
            "mixup": {mixed.name: len(mixed) for mixed in codes.mixtures},
        },
        "extrapolated": {mixed.name: float(mixed.extrapolated.mean()) for mixed in codes.mixtures},
        # How far an extrapolated code reaches out: the sum of its negative weights.
        "reach": {mixed.name: _reach(mixed.weights) for mixed in codes.mixtures},
        "explained": [[d, float(explained[d - 1])] for d in recipe.dimensions if d <= len(explained)],
        "recipe": {name: list(v) if isinstance(v, tuple) else v for name, v in vars(recipe).items()},
        "notes": list(dict.fromkeys(notes)),
    }
    about.setdefault("provenance", provenance())
    return Embedding(
        codes=everything,
        points=points,
        label=np.concatenate([codes.label, *(mixed.labels(codes.label) for mixed in codes.mixtures)]).astype(np.int64),
        domain=np.concatenate([codes.domain, np.full(extra, -1)]).astype(np.int64),
        kind=np.concatenate([np.full(count, ORIGINAL), *kinds]).astype(np.int64),
        variant=np.concatenate([np.full(count, -1), *variant]).astype(np.int64),
        members=np.concatenate([np.full((count, width), -1), members]).astype(np.int64),
        weights=np.concatenate([np.full((count, width), np.nan), weights]).astype(np.float32),
        held_out=np.asarray(codes.held_out, dtype=bool),
        rows=np.asarray(codes.rows, dtype=np.int64),
        files=codes.files,
        classes=codes.classes,
        domains=codes.domains,
        variants=tuple(mixed.name for mixed in codes.mixtures),
        scores=scores,
        coverage=tuple(coverage),
        mixing=tuple(mixing),
        about=about,
    )


def codes_from(
    source: Any,
    data: Any,
    recipe: Recipe,
    compute: Compute,
    *,
    network: nn.Module | str | None = None,
    progress: bool = True,
    **changes: Unpack[Changes],
) -> Codes:
    """Find out what was given to :meth:`Embedding.fit`, and take its codes.

    Raises:
        InputError: something that is neither codes nor a network nor a checkpoint.
    """
    if isinstance(source, Codes):
        return source
    if isinstance(source, nn.Module) and not isinstance(data, Task | str):
        target = changes.get("target")
        if data is None or target is None:
            raise InputError(
                f"got a network ({type(source).__name__}) without data; expected a Task, the name of data, or a loader "
                "of (images, labels, domains) together with target=..."
            )
        return Codes.from_loader(source, data, target=target)
    if isinstance(source, nn.Module):
        network, source = source, dict(source.named_parameters())
    if data is not None and not isinstance(data, Task | str):
        raise InputError(f"data is a {type(data).__name__}; a checkpoint needs a Task or the name of data.")
    return codes_of(Opened.open([source], data, network=network, progress=progress, **changes), recipe, compute)


def _reach(weights: np.ndarray) -> float:
    """Mean, over the extrapolated codes, of the sum of the negative weights; 0 without any."""
    negative = -np.nan_to_num(weights).clip(max=0.0).sum(1)
    return float(negative[negative > 0].mean()) if (negative > 0).any() else 0.0
