"""Results that are made once: found by the hash of their inputs, else computed with a journal, stored and drawn."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, get_args

from landscape.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from landscape.opened import Opened

Format = Literal["png", "pdf", "svg", "html"]
FORMATS: tuple[Format, ...] = ("png", "pdf")


class Stored(Protocol):
    """A result that knows what it was made from, and its file."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What it was made from."""

    def save(self, path: Path | str) -> Path:
        """Write it to one file."""


Result = TypeVar("Result", bound=Stored)


def find_or_make(
    stem: Path,
    key: str,
    load: Callable[[Path], Result],
    compute: Callable[[Path], Result],
    *,
    endings: Sequence[str] = ("",),
) -> tuple[Result, list[Path]]:
    """The stored result of these inputs, else the computed one, which is stored; and the files written.

    While it is being computed, a journal beside it keeps what is done; the same call goes on from there after an
    interruption at any moment. Figures of an earlier result under this name are out of date: they are removed.

    Args:
        stem: path without suffix.
        key: hash of all inputs.
        load: reads a result.
        compute: makes it, with a journal at the given path.
        endings: what may follow the stem in the names of the result's figures.
    """
    path, journal = beside(stem, "nc"), beside(stem, "journal.jsonl")
    if path.is_file():
        try:
            stored = load(path)
            if stored.about.get("key") == key:
                return stored, []
        except InputError:  # damaged or of an older version: measured again
            pass
    made: Any = compute(journal)
    result: Result = replace(made, about={**made.about, "key": key})
    result.save(path)
    journal.unlink(missing_ok=True)
    for ending in endings:
        remove_figures(stem.with_name(f"{stem.name}{ending}"))
    return result, [path]


def draw_missing(
    stem: Path,
    figures: Mapping[str, "Callable[[], Figure]"],
    formats: Sequence[Format],
    *,
    title: str,
    about: Mapping[str, Any],
    again: bool = False,
) -> list[Path]:
    """Draw what is not there yet into ``STEM.png``, ``STEM-classifier.png`` and so on; the files written.

    Args:
        stem: path without suffix.
        figures: what follows the stem in a figure's name -> what draws it.
        formats: files to write of each; a page (``html``) is no figure and is passed over.
        title: of the files' metadata.
        about: of the result: its provenance goes into the files' metadata.
        again: draw also the files that exist.
    """
    from landscape.plots import theme

    written: list[Path] = []
    for ending, figure in figures.items():
        target = stem.with_name(f"{stem.name}{ending}")
        static: list[Any] = [each for each in formats if each != "html"]
        if missing := [each for each in static if again or not beside(target, each).is_file()]:
            provenance = {"title": title, **about.get("provenance", {})}
            written += theme.save(figure(), target, formats=missing, about=provenance)
    return written


def remove_figures(stem: Path) -> None:
    """Remove the figures of an earlier result under this name."""
    for old in get_args(Format):
        beside(stem, old).unlink(missing_ok=True)


def beside(stem: Path, suffix: str) -> Path:
    """``STEM.suffix``; a stem may hold dots of its own."""
    return stem.with_name(f"{stem.name}.{suffix}")


def stem_of(kind: str, opened: "Opened", key: str, *, out: Path | str, name: str | None = None) -> Path:
    """``out/name``, by default ``out/flatness-sixstyles-sketch-0123abcd``: data, target and the inputs' hash."""
    words = [opened.task.images.name, opened.task.target, key[:8]]
    return Path(out) / (name or "-".join([kind, *(re.sub(r"[^a-z0-9]+", "-", word.lower()) for word in words)]))
