"""Codes, random interpolations and FGMix's codes in one t-SNE, and what they cover (FGMix paper, Figure 4)."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.cells import Key, by_figure, left_out, main_of, of_first_seed, seeds_of, stacked
from landscape.figures.numbers.seeds import over_seeds, range_over_seeds
from landscape.figures.numbers.study_codes import count_words, mixed_codes_of, verdicts, weights_words
from landscape.intervals import share_of
from landscape.plots.captions import seed_words
from landscape.plots.fig4 import plot_fig4, plot_gains

if TYPE_CHECKING:
    from landscape.embedding import Embedding

PUBLISHED = 0.225
"""Share of extrapolated codes that the paper reports, on PACS with target sketch."""
_OWN, _CONTROL, _GAIN = "FGMix", "control of FGMix", "FGMix - control"
_GROUP = ("target", "measure", "d", "query")
_TARGET, _GAP = "target", "target - held-out sources"


def make(study: Study) -> Product:
    """A figure for each target's first seed; tables over all targets and seeds.

    A t-SNE shows no coverage, and any extrapolation enlarges a hull. So the tables hold the difference from random
    weights for the same groups with the same extrapolated share, for target codes and for held-out source codes.
    """
    found = {key: mixed_codes_of(study, *key) for key in study.complete(("fgmix",))}
    shares, gains = shares_table(found), gains_table(found)
    tables = {"": gains, "extrapolated": shares}
    if len(seeds_of(found)) > 1:
        tables["seeds"] = over_seeds(gains, _GROUP, ("difference",))
        # A t-interval of a share over few seeds can leave [0, 1].
        tables["levels-seeds"] = range_over_seeds(gains, _GROUP, ("sources", "A", "FGMix", "control"))
        tables["extrapolated-seeds"] = range_over_seeds(shares[shares["codes"].notna()], ["target"], ["share"])
    figures = {name: plot_fig4(each, figure=Figure()) for name, each in by_figure(study, found).items()}
    first = gains[(gains["seed"] == seeds_of(found)[0]) & gains["difference"].notna()]
    if len(first):
        figures["gains"] = plot_gains(
            first, over=f"seed {seeds_of(found)[0]}, 95 % intervals over images", figure=Figure()
        )
    return Product(
        caption=_caption(study, found),
        finding=_finding(study, found, shares, gains),
        figures=figures,
        tables=tables,
        long={"estimates": estimates_table(found)},
        facts={
            "seeds": seeds_of(found),
            "targets": list(of_first_seed(found)),
            "n": {target: dict(each.about["n"]) for target, each in of_first_seed(found).items()},
        },
        notes=(*left_out(study, found, ("fgmix",)), *_notes(found)),
    )


def shares_table(found: "dict[Key, Embedding]") -> pd.DataFrame:
    """One row for each target and seed: mixup codes, and the share of them with a negative weight; the paper's last.

    The interval is the exact binomial one over codes; ``reach`` is the mean sum of the negative weights.
    """
    rows = []
    for (target, seed), embedding in found.items():
        codes = len(embedding.mixed(_OWN))
        share = embedding.extrapolated(_OWN)
        ends = share_of(round(share * codes), codes, method="exact")
        row = {"data": embedding.about["data"], "target": target, "seed": str(seed), "codes": codes, "share": share}
        rows.append(row | {"low": ends.low, "high": ends.high, "reach": embedding.about["reach"][_OWN]})
    rows.append({"data": "PACS (the paper; other data)", "target": "sketch", "seed": "n/a", "share": PUBLISHED})
    table = pd.DataFrame(rows)
    table["codes"] = pd.Series([row.get("codes") for row in rows], dtype=object)  # the paper's number is not known
    return table


def gains_table(found: "dict[Key, Embedding]") -> pd.DataFrame:
    """Coverage with the sources alone, with each mixup and with the control, and the difference FGMix - control.

    One row for each target, seed, measure and query. Measures: the share inside the hull of the class for every d,
    and the distance to the nearest code of the class in the whole latent space. Intervals are over images.
    """
    rows = []
    for (target, seed), embedding in found.items():
        values = {(row.measure, row.dimension, row.query, row.pool): row for row in embedding.coverage}
        whole = embedding.codes.shape[1]
        for measure, d, query in dict.fromkeys((row.measure, row.dimension, row.query) for row in embedding.coverage):
            if measure == "distance" and d != whole:
                continue
            row: dict[str, object] = {"target": target, "seed": seed, "measure": measure, "d": d, "query": query}
            pools = {"sources": "sources", "A": "A", "FGMix": _OWN, "control": _CONTROL}
            for column, pool in pools.items():
                known = values.get((measure, d, query, pool))
                row[column] = known.value if known else float("nan")
            gain = values.get((measure, d, query, _GAIN))
            numbers = (gain.value, gain.low, gain.high) if gain else (float("nan"),) * 3
            row |= dict(zip(("difference", "low", "high"), numbers, strict=True))
            row["n"] = (gain or values[measure, d, query, "sources"]).n
            rows.append(row)
    return pd.DataFrame(rows)


def estimates_table(found: "dict[Key, Embedding]") -> pd.DataFrame:
    """Every estimate of the coverage with its interval over images, the distances in reduced spaces among them."""
    from landscape.embedding.estimate import to_table

    return stacked(found, lambda embedding: to_table(embedding.coverage).drop(columns="reference"))


def _caption(study: Study, found: "dict[Key, Embedding]") -> str:
    shown, seeds = of_first_seed(found), seeds_of(found)
    first = next(iter(shown.values()))
    n = "; ".join(
        f"{target}: {e.about['n']['target']:,} target images, {e.about['n']['held_out']:,} held-out and "
        f"{e.about['n']['pool']:,} in-split source images, {e.about['n']['mixup'].get(_OWN, 0):,} mixup codes"
        for target, e in shown.items()
    )
    return (
        f"{study.about(list(shown), seeds)} {first.name}: latent codes of all images with random interpolations (A) "
        "and with FGMix's own codes of the same groups, in one joint t-SNE for each figure; a position in it is no "
        f"evidence. {weights_words([first])}"
        "Below: the share of target codes inside the hull of their class (PCA fitted on the sources) and the distance "
        "to the nearest code of the class, beside held-out source codes in place of the target's and beside "
        "random weights + Eq. 5 for the same groups with as many extrapolated codes "
        f"(mean of {first.about['recipe']['draws']} draws; how far codes reach out is not matched). {n}. "
        f"Figures: {seed_words(seeds[:1])}, one for each target, and the differences from the control for all of them; "
        "95 % intervals over images, of one run each, for shares no narrower than the exact one where no image "
        "differs. Tables: all targets and seeds."
    )


def _finding(study: Study, found: "dict[Key, Embedding]", shares: pd.DataFrame, gains: pd.DataFrame) -> str:
    main, seeds = main_of(study, found)[0], seeds_of(found)
    groups = shares[shares["codes"].notna()].groupby("target", sort=False)["share"]
    own, each = groups.mean(), groups.get_group(main)
    words = f"{own[main]:.1%} of FGMix's mixup codes extrapolate for target {main}"
    if len(each) > 1:
        words += f" on average ({each.min():.1%} to {each.max():.1%} over {len(each)} seeds)"
    if len(own) > 1:
        words += f", {own.min():.1%} to {own.max():.1%} for the {len(own)} targets"
    words += f" (the paper: {PUBLISHED:.1%} on PACS, target sketch, which are other data). "
    basis = "95 % t-intervals over seeds" if len(seeds) > 1 else "95 % intervals over images, of one run each"
    basis += f" ({seed_words(seeds)})"
    known = gains[gains["difference"].notna()]
    asked, gap = known[known["query"] == _TARGET], known[known["query"] == _GAP]
    if not len(asked):  # no code extrapolates, so there is nothing to control
        return f"{words}So the mixup leaves every hull as it is ({seed_words(seeds)})."
    inside = verdicts(asked[asked["measure"] == "inside"], _GROUP).values()
    distance = verdicts(asked[asked["measure"] == "distance"], _GROUP).values()
    second = "There are no held-out sources for the second control"
    if len(gap):
        ours = verdicts(gap[gap["measure"] == "inside"], _GROUP).values()
        theirs = verdicts(gap[gap["measure"] == "distance"], _GROUP).values()
        second = (
            "Of these differences, the target's less that of held-out sources (second control) is "
            f"{count_words(ours)} for the share and {count_words(theirs)} for the distance"
        )
    return words + (
        "Against random weights with the same extrapolated share, the share of target codes inside the hull is "
        f"{count_words(inside)} comparisons (target x d), and the nearest code of the class is "
        f"{count_words(distance, higher='farther', lower='nearer')} targets. "
        f"{second}; {basis}."
    )


def _notes(found: "dict[Key, Embedding]") -> tuple[str, ...]:
    notes = []
    for (target, seed), embedding in found.items():
        if not embedding.extrapolated(_OWN):
            notes.append(f"{target}, seed {seed}: no code of FGMix extrapolates, so its hull is that of the sources")
        # Which file the weights came from is in every result; here it would fill the page.
        notes += [f"{target}: {note}" for note in embedding.about["notes"] if "raw iterate" not in note]
    return ("the mixing weights are those of the raw iterates", *dict.fromkeys(notes))
