"""The toy example of the FGMix paper (Appendix A): four gradients of four domains in two dimensions."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from landscape.errors import InputError
from landscape.reference import text_of

GRADIENTS = ((-0.5, 1.0), (-1.0, 0.5), (-1.0, -1.0), (1.0, -1.0))
SCALES = (1.0, 2.0, 3.0, 5.0, 8.0)
# AND-Mask's; the paper's value is lost: it lies between 0.25 and 0.5.
THRESHOLD = 0.4


@dataclass(frozen=True)
class ToyExample:
    """The toy example's numbers, float64; d = 4 domains, 2 components."""

    gradients: np.ndarray
    """(4, 2) one per-example gradient of each domain."""
    cosines: np.ndarray
    """(4, 4) pairwise cosine similarity."""
    sums: np.ndarray
    """(4,) sum of each gradient's cosines to the others (Eq. 3)."""
    weights: np.ndarray
    """(4,) their softmax (Eq. 4)."""
    disagreement: np.ndarray
    """(2,) share of gradients whose sign differs from the majority's, per component."""
    mask: np.ndarray
    """(2,) 1 where AND-Mask keeps the component, else 0."""
    erm: np.ndarray
    """(2,) ERM's aggregated gradient, the sum; its mean is a quarter of it."""
    and_mask: np.ndarray
    """(2,) AND-Mask's: the masked sum."""
    fgmix: np.ndarray
    """(2,) FGMix's: the weighted sum."""
    scales: np.ndarray
    """(S,) scaling factors lambda."""
    scaled: np.ndarray
    """(S, 4) weights after scaling and shifting (Eq. 5)."""
    onset: float
    """The scaling factor above which a weight is negative."""

    def cosine(self, a: str, b: str) -> float:
        """Cosine between two of the aggregated gradients ``erm``, ``and_mask``, ``fgmix``."""
        x, y = getattr(self, a), getattr(self, b)
        return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


class Comparison(NamedTuple):
    """One number that the paper prints, beside ours."""

    name: str
    paper: str
    value: float

    @property
    def ours(self) -> str:
        """Our value with as many decimals as the paper prints."""
        # Adding 0.0 turns a negative zero into a plain one.
        return f"{round(self.value, self.decimals) + 0.0:.{self.decimals}f}"

    @property
    def decimals(self) -> int:
        """Decimals that the paper prints."""
        return len(self.paper.partition(".")[2])

    @property
    def same(self) -> bool:
        """Whether every printed digit agrees."""
        return self.ours == self.paper


def appendix_a(scales: Sequence[float] = SCALES, *, threshold: float = THRESHOLD) -> ToyExample:
    """The toy example of Appendix A, computed with the functions that training uses, in float64.

    Args:
        scales: scaling factors lambda of Eq. 5.
        threshold: AND-Mask drops a component when a larger share of the signs disagrees.

    Raises:
        InputError: the threshold is no share of signs.
    """
    if not 0 <= threshold <= 1:
        raise InputError(
            f"--threshold is {threshold}; expected a share of disagreeing signs, 0 to 1 (the paper's lies between "
            "0.25 and 0.5)."
        )
    import torch

    from landscape import fgmix
    from landscape.algorithms.rules.and_mask import sign_agreement

    gradients = torch.tensor(GRADIENTS, dtype=torch.float64)
    rows = torch.arange(len(gradients)).unsqueeze(0)
    sums = fgmix.cosine_scores(gradients, rows)
    weights = fgmix.softmax_weights(sums)

    disagreement = (1 - sign_agreement(gradients)) / 2
    mask = (disagreement <= threshold).double()
    total = gradients.sum(0)
    return ToyExample(
        gradients=gradients.numpy(),
        cosines=fgmix.pairwise_cosine(gradients).numpy(),
        sums=sums[0].numpy(),
        weights=weights[0].numpy(),
        disagreement=disagreement.numpy(),
        mask=mask.numpy(),
        erm=total.numpy(),
        and_mask=(mask * total).numpy(),
        fgmix=fgmix.mix_codes(gradients, rows, weights)[0].numpy(),
        scales=np.asarray(scales, dtype=np.float64),
        scaled=np.stack([fgmix.scale_and_shift(weights, scale)[0].numpy() for scale in scales])
        if len(scales)
        else np.empty((0, len(gradients))),
        onset=float(fgmix.extrapolation_onset(weights)),
    )


def compare(toy: ToyExample) -> list[Comparison]:
    """Every number that the paper's appendix prints, beside the computed one."""
    return [
        Comparison(f"{row['quantity']} {row['row']} {row['col']}", row["paper_value"], _value(toy, row))
        for row in csv.DictReader(text_of("fgmix_toy.csv").splitlines())
        if row["paper_value"]
    ]


def _value(toy: ToyExample, row: dict[str, str]) -> float:
    """The computed number that a row of the reference table names."""
    i = int(row["row"][1:]) - 1
    if row["quantity"] == "gradient":
        return float(toy.gradients[i, int(row["col"][-1]) - 1])
    if row["quantity"] == "pairwise_cosine":
        return float(toy.cosines[i, int(row["col"][1:]) - 1])
    return float({"sum_of_cosines": toy.sums, "softmax_weight": toy.weights}[row["quantity"]][i])
