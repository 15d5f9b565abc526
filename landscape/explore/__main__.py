"""Results in, one offline page out: ``python -m landscape.explore RESULTS...``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from landscape import command
from landscape.errors import InputError

DESCRIPTION = """One page to explore results in a browser; it needs no network and no server.

RESULTS are files (.nc) of surface, flatness, embedding and correlation, a claims.json, or folders that are searched for
them. The page shows the loss surface with its paths and a step slider, the same plane per domain, flatness curves, the
t-SNE whose points show their images, learned score against cosine, and the claims.

Examples:
  python -m landscape.explore figures
  python -m landscape.explore figures/demo/surface-sixstyles-sketch.nc --out page
  python -m landscape.explore results --data my_images
"""


@dataclass(frozen=True)
class ExploreOptions:
    """Flags of the command."""

    results: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RESULTS")] = ()
    """Result files, or folders that are searched for them."""
    out: Path = Path("figures/explore")
    """Folder for the page; open its index.html."""
    data: tuple[str, ...] = ()
    """Where the images are, for results on a folder or a manifest of your own, which only know its name."""
    data_dir: Path | None = None
    """Folder that holds the downloaded data sets."""


def main(args: list[str] | None = None) -> None:
    """Parse, write the page, say what was left out."""
    options = command.parse(ExploreOptions, prog="python -m landscape.explore", description=DESCRIPTION, args=args)
    if not options.results:
        raise InputError("got no results; expected files or folders, such as: python -m landscape.explore figures")
    from landscape.explore.page import write_explorer

    page, notes = write_explorer(options.results, options.out, data=options.data, data_dir=options.data_dir)
    for note in notes:
        print(f"note: {note}")
    print(f"wrote {page}")


if __name__ == "__main__":
    command.run(main)
