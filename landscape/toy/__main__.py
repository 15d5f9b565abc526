"""The toy example of the FGMix paper (Appendix A), digit by digit: ``python -m landscape.toy``.

Four gradients of four domains in two dimensions. ERM adds them up; AND-Mask drops the component whose signs
disagree; FGMix weighs each by the softmax of its summed cosine similarity to the others. FGMix's direction is
closer to AND-Mask's than ERM's is. Below it, what scaling and shifting (Eq. 5) makes of the weights.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from landscape import command
from landscape.toy.four_gradients import SCALES, THRESHOLD, ToyExample, appendix_a, compare


@dataclass(frozen=True)
class Options:
    """Flags of ``python -m landscape.toy``."""

    scales: tuple[float, ...] = SCALES
    """Scaling factors lambda of Eq. 5 to show; the paper searches over 1, 3, 5, 8."""
    threshold: float = THRESHOLD
    """AND-Mask drops a component when a larger share of the signs disagrees. The paper's value is lost: it lies
    between 0.25 and 0.5."""


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
