"""The same images under ERM and under FGMix, a t-SNE each, and how mixed their domains are (FGMix paper, Figure 9)."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.cells import (
    Key,
    by_figure,
    labelled,
    left_out,
    main_of,
    noted,
    of_first_seed,
    seeds_of,
    stacked,
)
from landscape.figures.numbers.seeds import in_words, over_seeds
from landscape.figures.numbers.study_codes import codes_of_models, count_words, mean_of, verdicts, weights_words
from landscape.plots.captions import seed_words
from landscape.plots.fig9 import plot_fig9

if TYPE_CHECKING:
    from landscape.embedding import Embedding

ALGORITHMS = ("erm", "fgmix")
_GROUP = ("target", "measure", "scope")


def make(study: Study) -> Product:
    """A figure for each target's first seed; tables over all targets and seeds.

    Two networks' codes have nothing to do with each other, so each has a t-SNE of its own, and what is compared is
    measured in latent space, within class.
    """
    from landscape.embedding.mingling import compare

    found = {key: codes_of_models(study, *key) for key in study.complete(ALGORITHMS)}
    table = differences_table(found)
    tables = {"": table, "estimates": estimates_table(found)}
    if len(seeds_of(found)) > 1:
        tables["seeds"] = over_seeds(table, _GROUP, ("ERM", "FGMix", "difference"))
    figures = {
        name: plot_fig9(models, differences=compare(models), figure=Figure())
        for name, models in by_figure(study, found).items()
    }
    return Product(
        caption=_caption(study, found),
        finding=_finding(study, found, table),
        figures=figures,
        tables=tables,
        facts={
            "seeds": seeds_of(found),
            "targets": list(of_first_seed(found)),
            "n": {target: models[0].about["n"]["images"] for target, models in of_first_seed(found).items()},
        },
        notes=(
            *left_out(study, found, ALGORITHMS),
            *noted((target, each) for (target, _), models in found.items() for each in models),
        ),
    )


def differences_table(found: "dict[Key, list[Embedding]]") -> pd.DataFrame:
    """One row for each target, seed, measure and scope: ERM's value, FGMix's, and their difference paired by image.

    Measures: entropy of the domains among the k nearest codes of the class, in nat (``shuffled``: its mean after
    shuffling ERM's domains within class); silhouette by domain within class; silhouette by class.
    """
    from landscape.embedding.mingling import compare

    rows = []
    for (target, seed), (erm, fgmix) in found.items():
        values = [{(row.measure, row.pool): row for row in each.mixing} for each in (erm, fgmix)]
        for change in compare([erm, fgmix]):
            mine, theirs = (each[change.measure, change.pool] for each in values)
            rows.append(
                {
                    "target": target,
                    "seed": seed,
                    "measure": change.measure,
                    "scope": change.pool,
                    "ERM": mine.value,
                    "FGMix": theirs.value,
                    "difference": change.value,
                    "low": change.low,
                    "high": change.high,
                    "n": change.n,
                    "shuffled": mine.reference,
                }
            )
    return pd.DataFrame(rows)


def estimates_table(found: "dict[Key, list[Embedding]]") -> pd.DataFrame:
    """Every mixing measure of every model with its interval over images."""
    from landscape.embedding.estimate import to_table

    def of(models: "list[Embedding]") -> pd.DataFrame:
        parts = zip(("ERM", "FGMix"), (to_table(each.mixing) for each in models), strict=True)
        return pd.concat([labelled(part, model=name) for name, part in parts])

    table = stacked(found, of)
    return table.drop(columns=["query", "dimension"]).rename(columns={"pool": "scope"})


def _caption(study: Study, found: "dict[Key, list[Embedding]]") -> str:
    shown, seeds = of_first_seed(found), seeds_of(found)
    erm, fgmix = next(iter(shown.values()))
    n = ", ".join(f"{target} {models[0].about['n']['images']:,}" for target, models in shown.items())
    return (
        f"{study.about(list(shown), seeds)} Latent codes of all images under {erm.name} (left) and {fgmix.name} "
        "(right), coloured by class (above) and by domain (below): the same images, one t-SNE for each model, so "
        f"positions compare within a panel only. {weights_words([erm, fgmix])}"
        f"Images: {n}. Domain mixing is measured in latent space within class: "
        f"entropy of the domains among the {erm.about['recipe']['neighbours']} nearest codes, silhouettes by domain "
        "and by class; "
        f"differences are paired by image. Figures: {seed_words(seeds[:1])}, one for each target; 95 % intervals over "
        "images, of one run each; tables: all targets and seeds, over all domains and over the sources."
    )


def _finding(study: Study, found: "dict[Key, list[Embedding]]", table: pd.DataFrame) -> str:
    main, seeds = main_of(study, found)[0], seeds_of(found)
    drawn = table[table["scope"] == "all domains"]
    entropy = drawn[drawn["measure"] == "domain entropy"]
    silhouette = drawn[drawn["measure"] == "domain silhouette"]
    mine = entropy[entropy["target"] == main]
    value = mean_of(mine, "difference", len(seeds) > 1)
    over = "95 % t-intervals over seeds" if len(seeds) > 1 else "95 % intervals over images, of one run each"
    decided = [verdicts(part, _GROUP).values() for part in (entropy, silhouette)]
    return (
        f"The entropy of the domains among near codes of a class is {mine['ERM'].mean():.4f} nat under ERM for target "
        f"{main} ({mine['shuffled'].mean():.4f} if domains were shuffled within class), and {in_words(value, '+.4f')} "
        f"beside that under FGMix; over all targets domains are by this measure "
        f"{count_words(decided[0], higher='more mixed', lower='less mixed')}, by their silhouettes "
        f"{count_words(decided[1], higher='less mixed', lower='more mixed')} ({over}; {seed_words(seeds)})."
    )
