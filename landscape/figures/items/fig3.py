"""Three gradients and their loss surfaces; two weight vectors scaled and shifted (FGMix, Figure 3).

Panel a is a toy: three quadratic losses of a two-parameter classifier, from which gradients, scores and weights
follow. Panels b and c take its scores as they are, and a quarter as large, and apply Eqs. 4 and 5.
"""

import pandas as pd

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.plots.fig3 import plot_fig3
from landscape.toy.three_losses import FLATTER, STEP, ThreeLosses, three_losses


def make(study: Study) -> Product:
    """Compute the toy; it depends on no run."""
    result = three_losses()
    names = [f"g{i + 1}" for i in range(len(result.gradients))]
    weights = pd.DataFrame(
        [
            {"panel": panel, "onset": result.onset[row], "lambda": scale, "extrapolates": bool((values < 0).any())}
            | dict(zip([f"w{i + 1}" for i in range(len(values))], values, strict=True))
            for row, panel in enumerate("bc")
            for scale, values in zip(result.scales, result.scaled[row], strict=True)
        ]
    )
    steps = pd.DataFrame(result.change, columns=[f"change of loss {i + 1}" for i in range(3)])
    steps.insert(0, "step down", names)
    steps["sum of cosines"] = result.sums
    steps["weight"] = result.softmax[0]
    spread = ", ".join(f"{value:g}" for value in result.scales)
    return Product(
        caption=(
            "(a) A toy of three quadratic losses with two parameters, no data and no run: contours, minima (crosses), "
            "the negative gradients at the classifier's place, their cosines, and each one's sum of cosines s to the "
            f"others; the table has what a step of {STEP:g} times a gradient does to every loss. "
            "(b, c) Weights of the three instances "
            f"after scaling and shifting, lambda in {{{spread}}} (Eq. 5). b: softmax of the sums of cosines of panel a "
            f"(Eqs. 3, 4), the more distinctive weights; c: the same scores times {FLATTER:g}. lambda = 1 is the "
            "original. Dashed: lambda* = 1 / (1 - n min w), above which the smallest weight is negative and the mixup "
            "code lies outside the hull of its members (shaded)."
        ),
        finding=_finding(result),
        figures={"": plot_fig3(result)},
        tables={"weights": weights, "gradients": steps},
        facts={"seeds": [], "n": 3, "unit": "gradients of a toy"},
    )


def _finding(result: ThreeLosses) -> str:
    first, second = result.onset
    order = "at a smaller" if first < second else "at no smaller"
    most = int(result.sums.argmax())
    lowered = int((result.change[most] < 0).sum())
    return (
        f"The more distinctive weights extrapolate from lambda {first:.2f} on, the less distinctive ones from "
        f"{second:.2f}: {order} lambda. Gradient {most + 1} has the largest sum of cosines "
        f"({result.sums[most]:.2f}); a step down it lowers {lowered} of the three losses."
    )
