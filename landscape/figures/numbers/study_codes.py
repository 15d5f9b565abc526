"""Latent codes and learned scores of a study's runs, each measured once: what FGMix's figures 4, 8 and 9 show."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.seeds import verdict

if TYPE_CHECKING:
    from landscape.correlation import Association
    from landscape.embedding import Embedding
    from landscape.opened import Opened
    from landscape.training import Run


def mixed_codes_of(study: Study, target: str, seed: int) -> "Embedding":
    """FGMix's latent codes with its mixup codes and random interpolations, embedded jointly, and the coverage.

    Intervals of hull shares are no narrower than the exact one for no image at all, also in results that were stored
    before this was the rule.

    Raises:
        InputError: FGMix has no finished run for that target and seed.
    """
    from landscape.compute import Compute
    from landscape.embedding.draw import draw
    from landscape.embedding.estimate import at_least_exact

    opened = _open(study, ("fgmix",), target, seed)
    how = Compute(study.device)
    embeddings, _ = draw(opened, compute=how, out=study.results, formats=(), progress=study.progress)
    return replace(embeddings[0], coverage=at_least_exact(embeddings[0].coverage))


def codes_of_models(study: Study, target: str, seed: int) -> "list[Embedding]":
    """The latent codes of ERM and of FGMix for the same images, one embedding each, and how mixed domains are.

    Raises:
        InputError: ERM or FGMix has no finished run for that target and seed.
    """
    from landscape.compute import Compute
    from landscape.embedding.draw import draw

    opened = _open(study, ("erm", "fgmix"), target, seed)
    how = Compute(study.device)
    embeddings, _ = draw(opened, compute=how, out=study.results, formats=(), progress=study.progress)
    return embeddings


def association_of(study: Study, target: str, seed: int) -> "Association":
    """FGMix's learned score against the cosine of the gradients, with untrained scores beside it.

    Raises:
        InputError: FGMix has no finished run for that target and seed.
    """
    from landscape.compute import Compute
    from landscape.correlation.draw import draw
    from landscape.correlation.plan import Plan
    from landscape.correlation.recipe import FEWEST_UNTRAINED, Recipe
    from landscape.correlation.setting import Setting

    run = study.need(("fgmix",), target, seed)["fgmix"]
    # The score learned from the gradients of the raw iterates.
    setting = Setting.at(run.find(), study.task(target, seed), network=study.base.model, progress=study.progress)
    pairs, untrained = study.scale.pairs, max(study.scale.untrained, FEWEST_UNTRAINED)
    plan = Plan.of(setting, Recipe(pairs=pairs, groups=pairs, null=untrained))
    how = Compute(study.device)
    association, _ = draw(plan, how, out=study.results, formats=(), progress=study.progress)
    return association


def weights_words(embeddings: "Sequence[Embedding]") -> str:
    """A sentence of a caption, with a space after it: why these are averaged weights; nothing where they are not."""
    if not all("SWA" in each.name for each in embeddings):
        return ""
    return (
        "The weights are averages (SWA), the model that a run ends with; figure 5 moves raw iterates, because "
        "averaging by itself changes flatness. "
    )


def verdicts(table: pd.DataFrame, by: Sequence[str], value: str = "difference") -> "dict[tuple, str]":
    """Group -> ``higher``, ``lower`` or ``undecided``, by the 95 % interval.

    With several seeds it is the t-interval over them, so that a group with one seed is undecided; with one seed in
    all, it is the row's own interval over images or pairs, which describes that run only.

    Args:
        table: one row for each group and seed, with `value`, ``low``, ``high`` and ``n``.
        by: columns that name a group.
        value: column of the value.
    """
    several = table["seed"].nunique() > 1
    return {name: verdict(mean_of(rows, value, several)) for name, rows in table.groupby(list(by), sort=False)}


def mean_of(rows: pd.DataFrame, value: str, several: bool) -> Mean:
    """The mean of a group's rows: over seeds, if there are several; else the first row with its own interval.

    Args:
        rows: one for each seed, with `value`, ``low``, ``high`` and ``n``.
        value: column of the value.
        several: whether the study has several seeds.
    """
    if several:
        return Mean.of(rows[value].to_numpy(dtype=float))
    row = rows.iloc[0]
    return Mean(row[value], row["low"], row["high"], int(row["n"]), "images")


def count_words(verdicts: Iterable[str], *, higher: str = "higher", lower: str = "lower") -> str:
    """``higher in 1, lower in 0, undecided in 3 of 4``."""
    each = list(verdicts)
    counts = {word: each.count(word) for word in ("higher", "lower", "undecided")}
    return (
        f"{higher} in {counts['higher']}, {lower} in {counts['lower']}, undecided in {counts['undecided']} "
        f"of {len(each)}"
    )


def _open(study: Study, algorithms: Sequence[str], target: str, seed: int) -> "Opened":
    from landscape.opened import Opened

    files = [averaged(run) for run in study.need(algorithms, target, seed).values()]
    return Opened.open(files, study.task(target, seed), network=study.base.model, progress=study.progress)


def averaged(run: "Run") -> Path:
    """The averaged weights at a run's end; where averaging never began, the raw ones."""
    return run.find(kind="swa" if run.checkpoints("swa") else "raw")
