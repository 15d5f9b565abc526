"""From a line to files: result and figure, each made once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from landscape.compute import DEFAULT, Compute
from landscape.storage import digest
from landscape.stored import FORMATS, Format, draw_missing, find_or_make, stem_of
from landscape.surface.profile import Profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from landscape.surface.line import Line


def draw_line(
    line: "Line",
    compute: Compute = DEFAULT,
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    progress: bool = True,
) -> tuple[Profile, list[Path]]:
    """Measure a line, or find it measured, and draw what is missing; see :func:`landscape.surface.draw.draw`.

    A line has no page: ``html`` is passed over.
    """
    from landscape.surface.line import measure_line

    compute = line.opened.resolve(compute, progress=progress)
    key = digest(line.digest(), compute.exact)
    stem = stem_of("line", line.opened, key, out=out, name=name)

    def make(journal: Path) -> Profile:
        return measure_line(line, compute, journal=journal, progress=progress)

    profile, written = find_or_make(stem, key, Profile.load, make)
    return profile, [*written, *draw_line_files(profile, stem, formats)]


def draw_line_files(
    profile: Profile, stem: Path, formats: Sequence[Format] = FORMATS, *, again: bool = False
) -> list[Path]:
    """Draw a profile into ``STEM.png`` and so on; `again`: also the files that exist."""

    def figure() -> "Figure":
        return cast("Figure", profile.plot().get_figure())

    return draw_missing(stem, {"": figure}, formats, title="Loss along a line", about=profile.about, again=again)
