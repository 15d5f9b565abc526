"""Three gradients and their loss surfaces; two weight vectors scaled and shifted (FGMix, Figure 3).

Panel a is a toy: three quadratic losses of a two-parameter classifier, from which gradients, scores and weights
follow. Panels b and c take its scores as they are, and a quarter as large, and apply Eqs. 4 and 5.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from landscape.fgmix import (
    cosine_scores,
    extrapolation_onset,
    pairwise_cosine,
    scale_and_shift,
    softmax_weights,
)
from landscape.figures.product import Product
from landscape.figures.study import Study
from landscape.plots.fig3 import plot_fig3

SCALES = (1.0, 2.0, 3.0, 5.0, 8.0)
# Minima of the three losses, in polar coordinates: two gradients that agree, a third that conflicts with the first.
MINIMA = ((1.0, 75.0), (1.0, 20.0), (1.0, -65.0))
STEP = 0.3
# What the scores of panel c are, as a share of those of panel b.
FLATTER = 0.25


@dataclass(frozen=True)
class Toy:
    """Losses ``l_i(theta) = |theta - m_i|^2 / 2`` of three instances around the classifier theta = 0, float64."""

    minima: np.ndarray
    """(3, 2) m_i."""
    gradients: np.ndarray
    """(3, 2) at theta = 0."""
    cosines: np.ndarray
    """(3, 3) of the gradients."""
    sums: np.ndarray
    """(3,) of each gradient's cosines to the others (Eq. 3)."""
    change: np.ndarray
    """(3, 3) change of loss j (column) by a step down gradient i (row)."""
    axis: np.ndarray
    """(G,) of both parameters."""
    losses: np.ndarray
    """(3, G, G)"""
    softmax: np.ndarray
    """(2, 3) weights of Eq. 4: of the scores, and of the smaller scores."""
    scales: np.ndarray
    """(S,) lambda."""
    scaled: np.ndarray
    """(2, S, 3) weights of Eq. 5."""
    onset: np.ndarray
    """(2,) lambda* = 1 / (1 - n min w), above which a weight is negative."""


def toy(scales: tuple[float, ...] = SCALES, *, grid: int = 121) -> Toy:
    """Gradients, scores and weights of the three losses, with the functions that training uses."""
    radius, degrees = np.array(MINIMA).T
    minima = radius[:, None] * np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], 1)
    axis = np.linspace(-2.4, 2.4, grid)
    theta = np.stack(np.meshgrid(axis, axis), -1)

    def losses(at: np.ndarray) -> np.ndarray:
        """(..., 2) -> (..., 3)"""
        found: np.ndarray = np.square(at[..., None, :] - minima).sum(-1) / 2
        return found

    gradients = -minima
    rows = torch.arange(len(minima)).unsqueeze(0)
    sums = cosine_scores(torch.from_numpy(gradients), rows)
    weights = softmax_weights(torch.cat([sums, FLATTER * sums]))
    return Toy(
        minima=minima,
        gradients=gradients,
        cosines=pairwise_cosine(torch.from_numpy(gradients)).numpy(),
        sums=sums[0].numpy(),
        change=losses(-STEP * gradients) - losses(np.zeros(2)),
        axis=axis,
        losses=np.moveaxis(losses(theta), -1, 0),
        softmax=weights.numpy(),
        scales=np.asarray(scales),
        scaled=np.stack([scale_and_shift(weights, scale).numpy() for scale in scales], 1),
        onset=extrapolation_onset(weights).numpy(),
    )


def make(study: Study) -> Product:
    """Compute the toy; it depends on no run."""
    result = toy()
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


def _finding(result: Toy) -> str:
    first, second = result.onset
    order = "at a smaller" if first < second else "at no smaller"
    most = int(result.sums.argmax())
    lowered = int((result.change[most] < 0).sum())
    return (
        f"The more distinctive weights extrapolate from lambda {first:.2f} on, the less distinctive ones from "
        f"{second:.2f}: {order} lambda. Gradient {most + 1} has the largest sum of cosines "
        f"({result.sums[most]:.2f}); a step down it lowers {lowered} of the three losses."
    )
