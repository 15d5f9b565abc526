"""The methods of this version: ``python -m landscape.algorithms``."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import tyro

from landscape import command
from landscape.algorithms.catalogue import METHODS, find
from landscape.algorithms.fgmix_options import MixupConfig
from landscape.algorithms.method import Method, own_method

DESCRIPTION = """The training methods, what each one needs, and its settings.

Each is trained by python -m landscape.train --algorithm NAME. A method of your own is package.module:Class, a class
derived from landscape.algorithms.Algorithm; CONTRIBUTING.md says how.

Examples:
  python -m landscape.algorithms
  python -m landscape.algorithms pcgrad fgmix
"""


@dataclass(frozen=True)
class AlgorithmsOptions:
    """Arguments of the command."""

    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Methods to describe with their settings; none: the table of all."""


def main(args: list[str] | None = None) -> None:
    """Parse and print."""
    options = command.parse(
        AlgorithmsOptions, prog="python -m landscape.algorithms", description=DESCRIPTION, args=args
    )
    rows = [own_method(name, load=True) if ":" in name else find(name.lower()) for name in options.names]
    print("\n\n".join(map(describe, rows)) if rows else table())


def table() -> str:
    """All methods, a line each."""
    rows = [("name", "label", "needs", "paper"), *((m.name, m.label, needs(m), m.paper) for m in METHODS.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    )


def needs(method: Method) -> str:
    """What a method cannot do without, in words."""
    words = [f"{method.fewest_domains} domains or views"] if method.fewest_domains > 1 else []
    words += ["latent codes"] if method.needs_codes else []
    return ", ".join([*words, *(["named stages"] if method.needs_stages else [])]) or "-"


def describe(method: Method) -> str:
    """One method with its settings: flag, default, and where a search draws it from."""
    lines = [f"{method.label} ({method.name}): {method.paper}; needs {needs(method)}"]
    group = "mixup" if method.options is MixupConfig else "options"
    for item in dataclasses.fields(method.options):
        search = f"; search {method.search[item.name]}" if item.name in method.search else ""
        lines.append(f"  --{group}.{item.name.replace('_', '-')} (default {item.default}{search})")
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(main)
