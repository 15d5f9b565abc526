"""The ablation A to F and FGMix: Table 2 of the FGMix paper."""

from itertools import pairwise

import pandas as pd

from landscape.algorithms.catalogue import label_of
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import over_cells
from landscape.figures.numbers.published import NONE, SEARCH, Printed, ablation, matched
from landscape.figures.numbers.run_scores import Block, Scores
from landscape.figures.numbers.seeds import in_words
from landscape.figures.numbers.tabulate import Lookup, averages, kind_of_error, values
from landscape.reference import read

# In the order in which the paper adds a component; F replaces FGMix's gradients by codes.
VARIANTS = ("a", "b", "c", "d", "e", "f", "fgmix")
LADDER = ("a", "b", "c", "d", "e", "fgmix")


def make(study: Study) -> Product:
    """Ablation of FGMix's components, on the targets that all variants have (FGMix paper, Table 2)."""
    scores = Scores.of(study, VARIANTS)
    block = Block.of(scores, study)
    table = averages(block, lookup_of(study), None)
    table.insert(1, "components", [COMPONENTS[name] for _ in (False, True) for name in block.algorithms])
    return Product(
        caption=f"{study.about(block.targets, block.seeds)} Accuracy and balanced accuracy on the target domain in "
        f"percent, averaged over targets ({kind_of_error(block.seeds)}). Common random numbers: every "
        "variant has the same seeds, splits, batches and steps before T0.",
        finding=finding_of(block),
        tables={"": table, "published": _published(), "values": values(scores)},
        facts={
            "seeds": list(block.seeds),
            "targets": list(block.targets),
            "n": len(block.targets) * len(block.seeds),
        },
        notes=(*block.notes, *notes_of(study)),
    )


COMPONENTS = {
    "a": "random interpolation",
    "b": "cosine of codes",
    "c": "cosine of gradients",
    "d": "cosine of gradients, lambda fixed",
    "e": "learned score and lambda, L_flat",
    "f": "learned score on codes, lambda, L_flat, L_adv",
    "fgmix": "learned score and lambda, L_flat, L_adv",
}


def lookup_of(study: Study) -> Lookup:
    """What the paper prints in Table 2, or with a target in C.2."""

    def find(algorithm: str, swa: bool, target: str | None) -> Printed | None:
        return None if swa else ablation(study, algorithm, target=target)  # Table 2 has no SWA rows

    return find


def notes_of(study: Study) -> tuple[str, ...]:
    """What a reader of both tables should know."""
    match = SEARCH if matched(study) else f"Not the paper's data and protocol: its column reads {NONE}."
    return (
        "The paper's ± is the mean of the per-target standard deviations, ours the standard error over seeds.",
        "TerraIncognita L100 of FGMix is printed as 54.1 ± 2.7 in C.1 and as 54.1 ± 1.7 in C.2.",
        match,
    )


def finding_of(block: Block) -> str:
    """The steps of the ladder with these runs; which of them an interval leaves open."""
    ladder = [name for name in LADDER if name in block.algorithms]
    steps = []
    for first, second in pairwise(ladder):
        gap = over_cells(block.values(second, swa=False) - block.values(first, swa=False))
        steps.append((f"{label_of(first)} to {label_of(second)} {in_words(gap, '+.1f')}", gap.decided))
    if not steps:
        return f"Only {label_of(block.algorithms[0])} has finished runs: there is nothing to compare."
    rising = sum(decided for _, decided in steps)
    end = f"{rising} of {len(steps)} differ from 0 at 95 %" if len(block.seeds) > 1 else "one seed, undecided"
    return f"Points of accuracy from variant to variant: {', '.join(words for words, _ in steps)}; {end}."


def _published() -> pd.DataFrame:
    """The paper's Tables 2 and C.2 as printed."""
    table = read("fgmix_ablation")
    rows = []
    for variant, cells in table.groupby("variant", sort=False):
        row = {"variant": str(variant)}
        for _, cell in cells.iterrows():
            row[f"{cell['dataset']} {cell['target_domain']}"] = str(Printed(cell["mean"], cell["std"]))
        rows.append(row)
    return pd.DataFrame(rows)
