"""Four gradients, and the directions of ERM, AND-Mask and FGMix, with the table of Appendix A (FGMix, Figure 7)."""

import pandas as pd

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.plots.fig7 import plot_fig7
from landscape.toy import ToyExample, appendix_a, compare

DIRECTIONS = {"erm": "ERM", "and_mask": "AND-Mask", "fgmix": "FGMix"}


def make(study: Study) -> Product:
    """Compute the example exactly; it depends on no run."""
    example = appendix_a()
    digits = pd.DataFrame(
        [
            {"quantity": line.name, "paper": line.paper, "ours": line.ours, "value": line.value, "same": line.same}
            for line in compare(example)
        ]
    )
    kept = " and ".join(str(i + 1) for i, keep in enumerate(example.mask) if keep) or "none"
    shares = ", ".join(f"{share:.0%}" for share in example.disagreement)
    return Product(
        caption=(
            "The toy example of the FGMix paper's Appendix A, computed in float64; no data, no run. (a) Gradients of "
            "four instances of four domains. (b) Aggregated gradients: ERM's sum; AND-Mask's, which drops a component "
            f"when too many signs disagree ({shares} here; keeps component {kept}); FGMix's sum with softmax weights "
            "of the summed cosines. The paper's formulas of the three, and AND-Mask's threshold, are not in its text; "
            "any threshold from 25 % to below 50 % gives these. (c) The numbers; those that the paper prints are "
            "compared digit by digit."
        ),
        finding=_finding(example, digits),
        figures={"": plot_fig7(example, digits)},
        tables={"digits": digits, "weights": _weights(example), "directions": _directions(example)},
        facts={"seeds": [], "n": len(example.gradients), "unit": "gradients of a toy"},
    )


def _weights(example: ToyExample) -> pd.DataFrame:
    """The table as the paper has it, in full precision."""
    n = len(example.gradients)
    table = pd.DataFrame(example.gradients, columns=["component 1", "component 2"])
    table.insert(0, "gradient", [f"g{i + 1}" for i in range(n)])
    for j in range(n):
        table[f"cosine to g{j + 1}"] = [None if i == j else example.cosines[i, j] for i in range(n)]
    table["sum of cosines"] = example.sums
    table["weight"] = example.weights
    return table


def _directions(example: ToyExample) -> pd.DataFrame:
    """The aggregated gradients and the cosines between them."""
    rows = []
    for name, words in DIRECTIONS.items():
        row = {"method": words} | {f"component {i + 1}": value + 0.0 for i, value in enumerate(getattr(example, name))}
        rows.append(row | {f"cosine to {other}": example.cosine(name, key) for key, other in DIRECTIONS.items()})
    return pd.DataFrame(rows)


def _finding(example: ToyExample, digits: pd.DataFrame) -> str:
    near, far = example.cosine("fgmix", "and_mask"), example.cosine("erm", "and_mask")
    relation = "closer to AND-Mask's direction than ERM's is" if near > far else "no closer to AND-Mask's than ERM's is"
    count = int(digits.same.sum())
    agree = f"all {count} printed numbers agree" if count == len(digits) else f"{count} of {len(digits)} agree"
    return (
        f"FGMix's direction is {relation} (cosine {near:.4f}, {far:.4f}); of the paper's table, {agree} in every digit."
    )
