"""From a checkpoint to files: result and figure, each made once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.compute import DEFAULT, Compute
from landscape.correlation.association import Association
from landscape.storage import digest
from landscape.stored import FORMATS, Format, draw_missing, find_or_make, stem_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from landscape.correlation.plan import Plan


def draw(
    plan: "Plan",
    compute: Compute = DEFAULT,
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    note: str = "",
    progress: bool = True,
) -> tuple[Association, list[Path]]:
    """Measure an association, or find it measured, and draw what is missing; see :func:`landscape.stored.find_or_make`.

    Args:
        plan: checkpoint, pairs and groups.
        compute: device, precision, batch size.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw.
        note: a sentence to add to the figure's caption.
        progress: show a bar.

    Returns:
        The association, and the files that were written: none when everything was there already.
    """
    compute = plan.setting.resolve(compute, progress=progress)
    key = digest(plan.digest(), str(plan.recipe.resamples), compute.exact)
    stem = stem_of("correlation", plan.setting, key, out=out, name=name)

    def make(journal: Path) -> Association:
        from landscape.correlation.measure import measure

        return measure(plan, compute, journal=journal, progress=progress)

    association, written = find_or_make(stem, key, Association.load, make)
    return association, [*written, *draw_files(association, stem, formats, note=note)]


def draw_files(
    association: Association, stem: Path, formats: Sequence[Format] = FORMATS, *, note: str = "", again: bool = False
) -> list[Path]:
    """Draw an association into ``STEM.png`` and so on; `again`: also the files that exist."""

    def figure() -> "Figure":
        from matplotlib.figure import Figure

        from landscape.plots.correlation import plot_fig8

        return plot_fig8(association, figure=Figure(), note=note)

    title = "Learned score against gradient cosine"
    return draw_missing(stem, {"": figure}, formats, title=title, about=association.about, again=again)
