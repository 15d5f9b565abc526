"""Three quadratic losses of a two-parameter classifier, from which gradients, scores and weights follow.

What FGMix's Figure 3 draws, computed: the losses around the classifier; their scores as they are, and a quarter as
large; the weights of both, scaled and shifted (Eqs. 4 and 5).
"""

from dataclasses import dataclass

import numpy as np
import torch

from landscape.fgmix import (
    cosine_scores,
    extrapolation_onset,
    pairwise_cosine,
    scale_and_shift,
    softmax_weights,
)
from landscape.toy.four_gradients import SCALES

# Minima of the three losses, in polar coordinates: two gradients that agree, a third that conflicts with the first.
MINIMA = ((1.0, 75.0), (1.0, 20.0), (1.0, -65.0))
STEP = 0.3
# What the scores of panel c are, as a share of those of panel b.
FLATTER = 0.25


@dataclass(frozen=True)
class ThreeLosses:
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


def three_losses(scales: tuple[float, ...] = SCALES, *, grid: int = 121) -> ThreeLosses:
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
    return ThreeLosses(
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
