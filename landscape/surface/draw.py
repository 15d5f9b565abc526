"""From three checkpoints to files: result, figures and page, each made once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.compute import DEFAULT, Compute
from landscape.errors import InputError
from landscape.storage import digest
from landscape.stored import FORMATS, Format, beside, draw_missing, find_or_make, stem_of
from landscape.surface.recipe import EVERYWHERE, PLAIN, Recipe, Where
from landscape.surface.surface import FORMAT, Surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from landscape.surface.setting import Setting

WITH_PAGE: tuple[Format, ...] = (*FORMATS, "html")


def draw(
    setting: "Setting",
    where: Where = EVERYWHERE,
    recipe: Recipe = PLAIN,
    compute: Compute = DEFAULT,
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = WITH_PAGE,
    note: str = "",
    progress: bool = True,
) -> tuple[Surface, list[Path]]:
    """Measure a surface, or find it measured, and draw what is missing; see :func:`landscape.stored.find_or_make`.

    Args:
        setting: the checkpoints with their network and data.
        where: points along each axis, and their range.
        recipe: what spans the plane, and what else the values depend on.
        compute: device, precision, batch size.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw.
        note: a sentence to add to the figures' captions.
        progress: show bars.

    Returns:
        The surface, and the files that were written: none when everything was there already.
    """
    compute = setting.resolve(compute, progress=progress)
    points, margin = where.on_plane()
    shape = repr((points, margin, where.x_range, where.y_range))
    words = (*recipe.words(), *recipe.plane_words())
    key = digest(str(FORMAT), setting.digest(), shape, compute.exact, *words)
    stem = stem_of("surface", setting, key, out=out, name=name)

    def make(journal: Path) -> Surface:
        from landscape.surface.kept import eigenvectors_beside
        from landscape.surface.measure import measure
        from landscape.surface.plan import Plan

        kept = eigenvectors_beside(journal)
        plan = Plan.of(setting, where, recipe, device=compute.device, keep=kept, progress=progress)
        return measure(plan, compute, journal=journal, progress=progress)

    surface, written = find_or_make(stem, key, Surface.load, make)
    if written:
        from landscape.surface.kept import eigenvectors_beside

        eigenvectors_beside(beside(stem, "journal.jsonl")).unlink(missing_ok=True)
    return surface, [*written, *draw_files(surface, stem, formats, note=note)]


def draw_files(
    surface: Surface, stem: Path, formats: Sequence[Format] = WITH_PAGE, *, note: str = "", again: bool = False
) -> list[Path]:
    """Draw a surface into ``STEM.png``, ``STEM.html`` and so on; `again`: also the files that exist."""
    own = "test_accuracy" not in surface.panels  # a loss of the user's own
    if own and "html" in formats:
        raise InputError("a surface of a loss of your own has no page; leave html out, with --format png.")

    def figure() -> "Figure":
        if own:
            return surface.plot()
        from matplotlib.figure import Figure

        from landscape.plots.fig6 import plot_fig6_row

        return plot_fig6_row(surface, figure=Figure(), note=note)

    about = {} if own else surface.about
    written = draw_missing(stem, {"": figure}, formats, title="Loss surface", about=about, again=again)
    if "html" in formats and (again or not beside(stem, "html").is_file()):
        from landscape.plots.interactive import write_page

        written.append(write_page(surface, beside(stem, "html"), note=note))
    return written
