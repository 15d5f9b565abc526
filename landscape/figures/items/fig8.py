"""The learned score against the cosine of the gradients, and against untrained scores (FGMix paper, Figure 8)."""

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
from landscape.figures.numbers.study_codes import association_of, count_words, mean_of, verdicts
from landscape.plots.captions import seed_words
from landscape.plots.correlation import plot_fig8

if TYPE_CHECKING:
    from landscape.correlation import Association

PUBLISHED = (0.35, 0.58)
"""The range of rho that the paper reports over six ordered pairs of source domains, on PACS."""
_GROUP = ("target", "statistic", "where")


def make(study: Study) -> Product:
    """A figure for each target's first seed, one panel for each ordered pair of sources; a table over all seeds.

    The weights do not determine the score, and rho is not in what they determine. So beside rho stand the score
    centred within groups, which they do determine, rho given both gradient norms, and the same of untrained scores.
    """
    found = {key: association_of(study, *key) for key in study.complete(("fgmix",))}
    table = statistics_table(found)
    tables = {"": table}
    if len(seeds_of(found)) > 1:
        tables["seeds"] = over_seeds(table, _GROUP, ("rho",))
    return Product(
        caption=_caption(study, found),
        finding=_finding(study, found, table),
        figures={name: plot_fig8(each, figure=Figure()) for name, each in by_figure(study, found).items()},
        tables=tables,
        facts={
            "seeds": seeds_of(found),
            "targets": list(of_first_seed(found)),
            "n": {target: dict(each.about["n"]) for target, each in of_first_seed(found).items()},
            "policy_steps": sorted({each.about["policy_steps"] for each in found.values()}),
        },
        notes=(*left_out(study, found, ("fgmix",)), *noted((target, each) for (target, _), each in found.items())),
    )


def statistics_table(found: "dict[Key, Association]") -> pd.DataFrame:
    """One row for each target, seed and statistic, with interval, p, and its place among untrained scores.

    Statistics: ``rho`` and ``partial`` (given both gradient norms) of every ordered pair of sources, the mean of rho,
    and ``within groups``. ``untrained_low`` and ``untrained_high`` hold 95 % of the untrained scores, ``p_greater`` is
    the share of them (with the trained one) that is at least as high.
    """

    def of(association: "Association") -> pd.DataFrame:
        part = association.summary()
        # The counts are in n; as names they would keep seeds apart.
        part["where"] = part["where"].where(part["statistic"].isin(("rho", "partial")), "all sources")
        return labelled(part, policy_steps=association.about["policy_steps"])

    return stacked(found, of)


def _caption(study: Study, found: "dict[Key, Association]") -> str:
    from landscape.correlation.identifiability import ambiguity

    shown, seeds = of_first_seed(found), seeds_of(found)
    first = next(iter(shown.values()))
    steps = sorted({each.about["policy_steps"] for each in found.values()})
    counts = [len(pair) for each in found.values() for pair in each.pairs]
    n = f"{min(counts)}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    members, norm = len(first.about["sources"]), first.about["gradient_norm"]
    return (
        f"{study.about(list(shown), seeds)} Score S of FGMix's raw iterate after {' or '.join(map(str, steps))} policy "
        f"steps against the cosine of two classifier gradients (gradient_norm = {norm}): one panel for each ordered "
        f"pair of source domains, n = {n} random same-class pairs of training images each; the target takes no part. "
        "Spearman's rho with 95 % bootstrap interval over pairs and p by the t "
        f"approximation, not adjusted for the number of panels. {ambiguity(members)} Below: scores centred within "
        f"{first.about['n']['groups']} groups against variant C's (interval over groups), rho given both gradient "
        f"norms, and the same for {first.about['n']['untrained']} untrained scores on the same pairs. Figures: "
        f"{seed_words(seeds[:1])}, one for each target; table: all targets and seeds. Intervals and p describe one "
        "network each."
    )


def _finding(study: Study, found: "dict[Key, Association]", table: pd.DataFrame) -> str:
    main, seeds = main_of(study, found)[0], seeds_of(found)
    rho, mean, within = (table[table["statistic"] == name] for name in ("rho", "mean of rho", "within groups"))
    own = rho[rho["target"] == main].groupby("where")["rho"].mean()
    over = "95 % t-intervals over seeds" if len(seeds) > 1 else "95 % intervals over pairs or groups, of one run each"
    above = int((mean["rho"] > mean["untrained_high"]).sum())
    below = int((mean["rho"] < mean["untrained_low"]).sum())
    each = ", averaged over seeds" if len(seeds) > 1 else ""
    words = [
        f"Rho is {own.min():+.2f} to {own.max():+.2f} over the {len(own)} ordered pairs for target {main}{each} (the "
        f"paper: {PUBLISHED[0]} to {PUBLISHED[1]} on PACS, which are other data); by its interval it is "
        f"{count_words(verdicts(rho, _GROUP, 'rho').values(), higher='positive', lower='negative')} panels"
        f"{'' if rho['target'].nunique() == 1 else ' of all targets'}.",
        f"The mean of rho lies above the range of 95 % of the untrained scores in {above}, below it in {below} of "
        f"{len(mean)} runs.",
    ]
    known = within[within["rho"].notna()]
    if len(known):
        mine = known[known["target"] == main]
        value = mean_of(mine, "rho", len(seeds) > 1)
        words.append(
            f"Within groups, which is what the weights determine, it is {in_words(value, '+.2f')} for target {main}; "
            f"{count_words(verdicts(known, _GROUP, 'rho').values(), higher='positive', lower='negative')} targets."
        )
    else:
        words.append(
            "With two sources, variant C's scores are equal within a group, so there is nothing to compare there."
        )
    return f"{' '.join(words)} ({over}; {seed_words(seeds)}.)"
