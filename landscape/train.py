"""Train one run, or go on with it: ``python -m landscape.train``."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, cast

import tyro

from landscape import command
from landscape.algorithms.catalogue import METHODS, find
from landscape.algorithms.method import Method, own_method
from landscape.config import PRESETS, MixupConfig, PresetFlag, PresetName, RunConfig
from landscape.errors import InputError, unknown_choice

DESCRIPTION = """Train a network on some domains, with one of the methods that python -m landscape.algorithms lists.

By default one domain is the target, which training never sees, and all others are sources; --sources and --targets
choose otherwise. The run is written to a folder named by what determines it. The same command again continues an
interrupted run and leaves a finished one alone. FGMix shares its steps before T0 (--mixup.start) with ERM. Settings of
the chosen method are --options.NAME (--mixup.NAME for FGMix); --algorithm NAME --help shows them.

Examples:
  python -m landscape.train --preset quick --algorithm fgmix --target sketch
  python -m landscape.train --data my_images/ --target paintings --preset full --model resnet18
  python -m landscape.train --preset quick --algorithm pcgrad --sources photo --views 3 --augmentation randaugment
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


@dataclass(frozen=True)
class _PlainRun(RunConfig):
    """A run whose method has no T0 and mixes no latent codes: what it does not use is no flag of it."""

    mixup: tyro.conf.Suppress[MixupConfig] = field(default_factory=MixupConfig)


@dataclass(frozen=True)
class _PlainOptions(TrainOptions):
    """Flags of the command for such a run."""

    run: Annotated[_PlainRun, tyro.conf.arg(name="")] = field(default_factory=_PlainRun)


def main(args: list[str] | None = None) -> None:
    """Parse, train, print what came out."""
    arguments = list(sys.argv[1:] if args is None else args)
    check_targets(arguments)
    preset = preset_named(arguments)
    row = method_named(arguments, PRESETS[preset].algorithm)
    config = PRESETS[preset].replace(algorithm=row.name, options=None if row.name in METHODS else row.options())
    flags: type[TrainOptions] = TrainOptions
    if not row.trunk:
        flags, config = _PlainOptions, _PlainRun(**vars(config))
    options = command.parse(
        flags,
        prog="python -m landscape.train",
        description=DESCRIPTION,
        default=flags(run=config, preset=preset),
        args=spelled_alike(arguments, row),
    )
    options = replace(options, run=RunConfig(**vars(options.run)))
    from landscape.training import plan, summarise, train

    if options.dry_run:
        print(plan(options.run, root=options.root, share_trunk=not options.from_scratch))
        return
    run = train(options.run, root=options.root, share_trunk=not options.from_scratch)
    print(summarise(run))


def preset_named(arguments: list[str]) -> PresetName:
    """The value of ``--preset`` among the arguments: it decides the other flags' defaults."""
    name = given(arguments, "--preset") or "quick"
    if name not in PRESETS:
        raise unknown_choice("preset", name, PRESETS)
    return cast(PresetName, name)


def method_named(arguments: list[str], default: str) -> Method:
    """The row of ``--algorithm`` among the arguments: it decides which settings there are."""
    name = given(arguments, "--algorithm") or default
    return own_method(name, load=True) if ":" in name else find(name.lower())


def check_targets(arguments: list[str]) -> None:
    """Whether the domains to leave out are named once: the last of two names would become a source, silently.

    Raises:
        InputError: both flags, or one of them twice.
    """
    flags = [flag for flag in (each.partition("=")[0] for each in arguments) if flag in ("--target", "--targets")]
    if len(flags) > 1:
        raise InputError(
            f"got {' and '.join(flags)}; give --target NAME once, or all domains to leave out as --targets NAME NAME."
        )


def given(arguments: list[str], flag: str) -> str | None:
    """The last value that the arguments give a flag."""
    found = None
    for index, argument in enumerate(arguments):
        if argument == flag and index + 1 < len(arguments):
            found = arguments[index + 1]
        elif argument.startswith(f"{flag}="):
            found = argument.partition("=")[2]
    return found


def spelled_alike(arguments: list[str], row: Method) -> list[str]:
    """The arguments with one name for one thing.

    ``--algorithm FGMix`` and ``A`` as the paper writes them; ``--options.NAME`` of FGMix is ``--mixup.NAME``; beside
    ``--sources``, ``--target`` is one of ``--targets``.
    """
    result = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        flag, equals, value = argument.partition("=")
        if before == "--algorithm":
            argument = row.name
        elif flag == "--algorithm" and equals:
            argument = f"{flag}={row.name}"
        elif flag.startswith("--options.") and row.options is MixupConfig:
            argument = f"--mixup.{flag.removeprefix('--options.')}{equals}{value}"
        elif flag == "--target" and any(each.partition("=")[0] == "--sources" for each in arguments):
            argument = f"--targets{equals}{value}"
        result.append(argument)
    return result


if __name__ == "__main__":
    command.run(main)
