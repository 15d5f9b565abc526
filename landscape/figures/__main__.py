"""Every figure and table: ``python -m landscape.figures [NAME ...]``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from landscape import command
from landscape.config import Device
from landscape.errors import InputError, unknown_choice
from landscape.figures.machinery.registry import ITEMS, Item
from landscape.figures.machinery.scale import SCALES, ScaleName

if TYPE_CHECKING:
    from landscape.figures.machinery.study import Study

DESCRIPTION = """Regenerate the figures and tables of the FGMix and DGE papers, and what neither shows.

NAME: fig1 ... fig9, table1, dge-table1 ..., claims (see --list); without a name, all but those that take long.
They are made of finished runs in checkpoints/; --train makes the runs that are missing first. What is up to date is
left alone, and an interrupted call goes on where it stopped.

Examples:
  python -m landscape.figures --list
  python -m landscape.figures fig3 fig6 fig7
  python -m landscape.figures --train --seeds 3
"""


@dataclass(frozen=True)
class FiguresOptions:
    """Flags of the command."""

    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """What to make."""
    list: bool = False
    """Print every name with what it shows, and stop."""
    preset: ScaleName = "quick"
    """quick: minutes on two cores; full: the paper's schedule on SixStyles; paper: ResNet-50 on the papers' data."""
    data: str | None = None
    """Another data set: sixstyles, pacs, ..., a folder domain/class/image, or a manifest."""
    data_dir: str | None = None
    """Folder that holds the downloaded data sets."""
    targets: tuple[str, ...] = ()
    """Target domains; none given means every domain."""
    seeds: int | None = None
    """Trial seeds 0, 1, ... behind the numbers; figures show seed 0. By default 1 (quick), 3 (full), 5 (paper)."""
    train: bool = False
    """Train the runs that are missing before anything is drawn."""
    check: bool = False
    """Say which are out of date, and stop; the exit code is 2 if any is."""
    dry_run: bool = False
    """Say what would be trained and made, and what that costs on this machine, and stop."""
    format: tuple[Literal["png", "pdf", "svg", "html"], ...] = ("png", "pdf", "html")
    """Files of a figure. Tables are always CSV, LaTeX and Markdown."""
    root: Path = Path("checkpoints")
    """Folder of the run folders."""
    out: Path = Path("figures")
    """Folder of the figures; each preset has its own in it."""
    device: Device = "auto"
    """Where to compute."""


def main(args: list[str] | None = None) -> None:
    """Parse, train what is missing, make what is out of date."""
    options = command.parse(FiguresOptions, prog="python -m landscape.figures", description=DESCRIPTION, args=args)
    if options.list:
        print(listing())
        return
    items = choose(options.names)
    study = study_of(options)
    if options.check:
        check(items, study, options)
        return
    from landscape.figures.machinery.prepare import missing_runs, train_missing

    ready = [item for item in items if not item.waits_for]
    missing = missing_runs(ready, study) if options.train or options.dry_run else []
    if options.dry_run:
        from landscape.figures.machinery.cost import estimate
        from landscape.figures.machinery.produce import status_of

        for item in items:
            print(f"{item.name}: {status_of(item, study, options.out)}")
        print(estimate(ready, missing, study).words())
        return
    if missing:
        train_missing(missing, study)
    make(items, study, options)


def listing() -> str:
    """The registry as a table."""
    lines = []
    for item in ITEMS:
        place = "beyond both" if item.paper == "beyond" else f"{item.paper}, {item.place}"
        more = f" [waits for the algorithm {', '.join(item.waits_for)}]" if item.waits_for else ""
        more += " [only by name]" if item.only_by_name else ""
        lines.append(f"{item.name:22} {place:17} {item.title}{more}")
    return "\n".join(lines)


def choose(names: tuple[str, ...]) -> list[Item]:
    """The items of these names, in the registry's order; by default all that are not made by name only.

    Raises:
        InputError: there is no such item.
    """
    known = {item.name.lower(): item for item in ITEMS}
    for name in names:
        if name.lower() not in known:
            raise unknown_choice("figure or table", name, [item.name for item in ITEMS])
    wanted = {name.lower() for name in names}
    return [item for item in ITEMS if item.name.lower() in wanted or (not names and not item.only_by_name)]


def study_of(options: FiguresOptions) -> "Study":
    """The study that the flags describe.

    Raises:
        InputError: there is no seed.
    """
    from landscape.figures.machinery.study import Study

    scale = SCALES[options.preset]
    count = scale.seeds if options.seeds is None else options.seeds
    if count < 1:
        raise InputError(f"--seeds is {count}; expected at least 1.")
    return Study(
        scale,
        data=options.data,
        data_dir=options.data_dir,
        chosen=options.targets,
        seeds=tuple(range(count)),
        root=options.root,
        results=options.out / "results",
        device=options.device,
    )


def check(items: list[Item], study: "Study", options: FiguresOptions) -> None:
    """Print the status of each.

    Raises:
        InputError: one is missing or out of date.
    """
    from landscape.figures.machinery.produce import status_of

    found = {item.name: status_of(item, study, options.out) for item in items}
    for name, status in found.items():
        print(f"{name}: {status}")
    if late := [name for name, status in found.items() if status in ("stale", "missing")]:
        raise InputError(
            f"{len(late)} of {len(found)} are missing, or were made of other runs, settings or code "
            f"({', '.join(late)}); give the same command without --check, and with --train if their runs are not here."
        )


def make(items: list[Item], study: "Study", options: FiguresOptions) -> None:
    """Make what is out of date; one that cannot be made does not keep the others from it.

    Raises:
        InputError: one lacks its runs.
    """
    from landscape.figures.machinery.gallery import write_gallery
    from landscape.figures.machinery.produce import produce
    from landscape.figures.machinery.state import Manifest

    manifest, failed = Manifest(options.out), []
    for item in items:
        if item.waits_for:
            print(f"{item.name}: waits for the algorithm {', '.join(item.waits_for)}, which this version does not have")
            continue
        try:
            written = produce(item, study, out=options.out, formats=options.format)
        except InputError as error:
            print(f"{item.name}: {error}")
            failed.append(item.name)
            continue
        if not written:
            print(f"{item.name}: up to date")
            continue
        entries = manifest.read()
        write_gallery(options.out, entries)
        print(f"{item.name}: {len(written)} files, {written[0].parent / item.name}*")
        for note in entries[f"{study.folder}/{item.name}"]["notes"]:
            print(f"  note: {note}")
    if failed:
        raise InputError(f"{', '.join(failed)} could not be made; each says above what it lacks.")


if __name__ == "__main__":
    command.run(main)
