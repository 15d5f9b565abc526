"""From a setting to files: result and figures, each made once."""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.compute import DEFAULT, Compute
from landscape.flatness.comparison import FORMAT, Flatness
from landscape.flatness.recipe import PLAIN, Recipe, Scope, Statistic
from landscape.storage import digest
from landscape.stored import FORMATS, Format, draw_missing, find_or_make, stem_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from landscape.flatness.setting import Setting

# In the files' names; the first of each is left out.
_SCOPES = {"full": "", "classifier": "-classifier"}
_STATISTICS = {"squared": "", "signed": "-signed", "absolute": "-absolute"}
ENDINGS = tuple(scope + statistic for scope, statistic in product(_SCOPES.values(), _STATISTICS.values()))


def draw(
    setting: "Setting",
    recipe: Recipe = PLAIN,
    compute: Compute = DEFAULT,
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    note: str = "",
    progress: bool = True,
) -> tuple[Flatness, list[Path]]:
    """Measure flatness, or find it measured, and draw what is missing; see :func:`landscape.stored.find_or_make`.

    Args:
        setting: the checkpoints with their network and data.
        recipe: scopes, gammas, directions, and which statistic the figures show.
        compute: device, precision, batch size.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw.
        note: a sentence to add to the figures' captions.
        progress: show bars.

    Returns:
        The curves, and the files that were written: none when everything was there already.
    """
    from landscape.flatness.measure import inputs_digest, measure

    compute = setting.resolve(compute, progress=progress)
    inputs = inputs_digest(setting, recipe, compute)
    key = digest(str(FORMAT), inputs, repr(sorted(recipe.scope)), str(recipe.directions))
    stem = stem_of("flatness", setting, key, out=out, name=name)

    def make(journal: Path) -> Flatness:
        return measure(setting, recipe, compute, journal=journal, progress=progress)

    flatness, written = find_or_make(stem, key, Flatness.load, make, endings=ENDINGS)
    return flatness, [*written, *draw_files(flatness, stem, formats, statistic=recipe.statistic, note=note)]


def draw_files(
    flatness: Flatness,
    stem: Path,
    formats: Sequence[Format] = FORMATS,
    *,
    statistic: Statistic = "squared",
    note: str = "",
    again: bool = False,
) -> list[Path]:
    """Draw curves into ``STEM.png``, ``STEM-classifier.png`` and so on.

    Args:
        flatness: the curves.
        stem: path without suffix.
        formats: what to draw.
        statistic: what to show; any but the squared one is part of the files' names.
        note: a sentence to add to the captions.
        again: draw also the files that exist.
    """

    def drawing(scope: Scope) -> "Callable[[], Figure]":
        def figure() -> "Figure":
            from matplotlib.figure import Figure

            from landscape.plots.flatness import plot_flatness

            return plot_flatness(flatness, scope, statistic=statistic, figure=Figure(), note=note)

        return figure

    figures = {_SCOPES[scope] + _STATISTICS[statistic]: drawing(scope) for scope in flatness.scopes}
    title = "Flatness along random directions"
    return draw_missing(stem, figures, formats, title=title, about=flatness.about, again=again)
