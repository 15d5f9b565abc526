"""Train one run, or go on with it: ``python -m landscape.train``."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast

import tyro

from landscape import command
from landscape.config import PRESETS, PresetFlag, PresetName, RunConfig
from landscape.errors import unknown_choice

DESCRIPTION = """Train a network on every domain but one, with ERM, FGMix or one of its variants A-F.

The run is written to a folder named by what determines it. The same command again continues an interrupted
run and leaves a finished one alone. Steps before T0 (--mixup.start) are shared between algorithms.

Examples:
  python -m landscape.train --preset quick --algorithm fgmix --target sketch
  python -m landscape.train --data my_images/ --target paintings --preset full --model resnet18
  python -m landscape.train --preset paper --data pacs --data-dir /data --target sketch
"""


@dataclass(frozen=True)
class TrainOptions:
    """Flags of the command."""

    run: Annotated[RunConfig, tyro.conf.arg(name="")] = field(default_factory=RunConfig)
    preset: PresetFlag = "quick"
    root: Path = Path("checkpoints")
    """Folder of the run folders."""
    from_scratch: bool = False
    """Train the steps before T0 in the run's own folder instead of branching from a shared trunk."""
    dry_run: bool = False
    """Print the plan (folder, steps to do) and stop."""


def main(args: list[str] | None = None) -> None:
    """Parse, train, print what came out."""
    arguments = list(sys.argv[1:] if args is None else args)
    preset = preset_named(arguments)
    options = command.parse(
        TrainOptions,
        prog="python -m landscape.train",
        description=DESCRIPTION,
        default=TrainOptions(run=PRESETS[preset], preset=preset),
        args=lower_algorithm(arguments),
    )
    from landscape.training import plan, summarise, train

    if options.dry_run:
        print(plan(options.run, root=options.root, share_trunk=not options.from_scratch))
        return
    run = train(options.run, root=options.root, share_trunk=not options.from_scratch)
    print(summarise(run))


def preset_named(arguments: list[str], default: PresetName = "quick") -> PresetName:
    """The value of ``--preset`` among the arguments: it decides the other flags' defaults."""
    name: str = default
    for index, argument in enumerate(arguments):
        if argument == "--preset" and index + 1 < len(arguments):
            name = arguments[index + 1]
        elif argument.startswith("--preset="):
            name = argument.partition("=")[2]
    if name not in PRESETS:
        raise unknown_choice("preset", name, PRESETS)
    return cast(PresetName, name)


def lower_algorithm(arguments: list[str]) -> list[str]:
    """Accept ``--algorithm FGMix`` and ``--algorithm A`` as the paper writes them."""
    result = list(arguments)
    for index, argument in enumerate(result):
        if argument == "--algorithm" and index + 1 < len(result):
            result[index + 1] = result[index + 1].lower()
        elif argument.startswith("--algorithm="):
            result[index] = argument.lower()
    return result


if __name__ == "__main__":
    command.run(main)
