"""The toy example of the FGMix paper (Appendix A), digit by digit: ``python -m landscape.toy``.

Four gradients of four domains in two dimensions. ERM adds them up; AND-Mask drops the component whose signs
disagree; FGMix weighs each by the softmax of its summed cosine similarity to the others. FGMix's direction is
closer to AND-Mask's than ERM's is. Below it, what scaling and shifting (Eq. 5) makes of the weights.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

import numpy as np

from landscape import command
from landscape.errors import InputError

GRADIENTS = ((-0.5, 1.0), (-1.0, 0.5), (-1.0, -1.0), (1.0, -1.0))


@dataclass(frozen=True)
class Options:
    """Flags of ``python -m landscape.toy``."""

    scales: tuple[float, ...] = (1.0, 2.0, 3.0, 5.0, 8.0)
    """Scaling factors lambda of Eq. 5 to show; the paper searches over 1, 3, 5, 8."""
    threshold: float = 0.4
    """AND-Mask drops a component when a larger share of the signs disagrees. The paper's value is lost: it lies
    between 0.25 and 0.5."""


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


def appendix_a(scales: Sequence[float] = Options.scales, *, threshold: float = Options.threshold) -> ToyExample:
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

    gradients = torch.tensor(GRADIENTS, dtype=torch.float64)
    rows = torch.arange(len(gradients)).unsqueeze(0)
    sums = fgmix.cosine_scores(gradients, rows)
    weights = fgmix.softmax_weights(sums)

    positive = (gradients > 0).double().mean(0)
    disagreement = torch.minimum(positive, 1 - positive)
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
    text = resources.files("landscape.reference").joinpath("fgmix_toy.csv").read_text(encoding="utf-8")
    return [
        Comparison(f"{row['quantity']} {row['row']} {row['col']}", row["paper_value"], _value(toy, row))
        for row in csv.DictReader(text.splitlines())
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


def report(toy: ToyExample, threshold: float) -> Iterator[str]:
    """The lines that the command prints, up to the verdict."""
    yield "Toy example of the FGMix paper (Appendix A)"
    yield ""
    yield f"{'':28}{'paper':>12}{'computed':>22}"
    for line in compare(toy):
        yield f"{line.name.replace('_', ' '):28}{line.paper:>12}{line.value + 0.0:>22.15f}{'' if line.same else '  <-'}"
    yield ""
    yield "aggregated gradients          component 1  component 2"
    for name, values in (("ERM (sum)", toy.erm), ("AND-Mask (sum)", toy.and_mask), ("FGMix", toy.fgmix)):
        yield f"  {name:26}{values[0] + 0.0:13.6f}{values[1] + 0.0:13.6f}"
    shares = ", ".join(f"{share:.0%}" for share in toy.disagreement)
    kept = ", ".join("kept" if keep else "dropped" for keep in toy.mask)
    yield f"  disagreeing signs {shares}; AND-Mask at threshold {threshold:g}: {kept}"
    yield ""
    yield "cosines between them"
    for a, b in (("fgmix", "and_mask"), ("erm", "and_mask"), ("fgmix", "erm")):
        names = {"fgmix": "FGMix", "and_mask": "AND-Mask", "erm": "ERM"}
        cosine = toy.cosine(a, b) if np.any(getattr(toy, a)) and np.any(getattr(toy, b)) else float("nan")
        yield f"  {names[a] + ', ' + names[b]:26}{cosine:13.6f}"
    yield ""
    yield f"weights after scaling and shifting (Eq. 5); extrapolation above lambda = {toy.onset:.4f}"
    for scale, weights in zip(toy.scales, toy.scaled, strict=True):
        kind = "extrapolates" if (weights < 0).any() else "interpolates"
        yield f"  lambda {scale:<8g}" + "".join(f"{weight:12.6f}" for weight in weights) + f"  {kind}"
    yield ""


def main(args: Sequence[str] | None = None) -> None:
    """Print the toy example; leave with exit code 1 if a printed digit differs."""
    options = command.parse(Options, prog="python -m landscape.toy", description=__doc__ or "", args=args)
    toy = appendix_a(options.scales, threshold=options.threshold)
    for line in report(toy, options.threshold):
        print(line)
    lines = compare(toy)
    wrong = [line.name for line in lines if not line.same]
    if wrong:
        print(f"{len(wrong)} of {len(lines)} printed numbers differ: {', '.join(wrong)}.")
        sys.exit(1)
    digits = sum(character.isdigit() for line in lines for character in line.paper)
    print(f"All {len(lines)} numbers that the paper prints are reproduced, all {digits} digits of them.")


if __name__ == "__main__":
    command.run(main)
