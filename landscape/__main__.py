"""``python -m landscape``: what there is to run, each with one example."""

import sys
from typing import NamedTuple

import landscape
from landscape.command import run
from landscape.errors import InputError, unknown_choice


class Command(NamedTuple):
    """One command line of the package."""

    name: str
    purpose: str
    example: str


COMMANDS = (
    Command(
        "demo",
        "Train ERM and FGMix on the embedded images and draw their first loss surface.",
        "python -m landscape.demo",
    ),
    Command(
        "train",
        "Train one run, or continue it where it stopped.",
        "python -m landscape.train --preset quick --algorithm fgmix --target sketch",
    ),
    Command(
        "algorithms",
        "List the training methods, what each one needs, and its settings.",
        "python -m landscape.algorithms pcgrad",
    ),
    Command(
        "surface",
        "Loss and accuracy on the plane through three checkpoints, with the optimisation paths.",
        "python -m landscape.surface "
        "sixstyles-sketch-erm-s0@0 sixstyles-sketch-erm-s0@swa sixstyles-sketch-fgmix-s0@swa",
    ),
    Command(
        "embedding",
        "Latent codes and mixup codes in one t-SNE, and how much of the target they cover.",
        "python -m landscape.embedding sixstyles-sketch-fgmix-s0@swa",
    ),
    Command(
        "correlation",
        "How far FGMix's learned score goes with the cosine of the gradients, and what of that the weights determine.",
        "python -m landscape.correlation sixstyles-sketch-fgmix-s0",
    ),
    Command(
        "flatness",
        "How flat the loss is around checkpoints: random directions that all methods share, and curvature.",
        "python -m landscape.flatness sixstyles-sketch-erm-s0@swa sixstyles-sketch-fgmix-s0@swa",
    ),
    Command(
        "figures",
        "Regenerate every figure and table of both papers, and what neither shows.",
        "python -m landscape.figures fig3 fig6 fig7",
    ),
    Command(
        "explore",
        "One offline page to explore results: surfaces with a step slider, latent codes with their images, claims.",
        "python -m landscape.explore figures",
    ),
    Command(
        "toy",
        "The toy example of the FGMix paper (Appendix A), digit by digit.",
        "python -m landscape.toy",
    ),
)


def overview() -> str:
    """The table of commands as text."""
    lines = [f"landscape {landscape.__version__}: why does a model generalise to domains it has not seen?", ""]
    for command in COMMANDS:
        lines += [f"  {command.name:11} {command.purpose}", f"  {'':11} {command.example}", ""]
    return "\n".join([*lines, "Every command explains its options: python -m landscape.train --help"])


def main() -> None:
    """Print the table; point out the dot to whoever types a space."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return
    names = [command.name for command in COMMANDS]
    if words[0] in names:
        raise InputError(f"a command is a module of its own: python -m landscape.{' '.join(words)}")
    raise unknown_choice("command", words[0], names)


if __name__ == "__main__":
    run(main)
