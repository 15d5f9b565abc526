"""From a plan of curvatures to files: result and figures, each made once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.flatness.path import CurvaturePath
from landscape.flatness.recipe import Matrix, Scope
from landscape.stored import FORMATS, Format, draw_missing, find_or_make, stem_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from landscape.flatness.curvature import CurvaturePlan

ENDINGS = ("", "-classifier", "-ggn", "-classifier-ggn")


def draw_path(
    plan: "CurvaturePlan",
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    device: str = "auto",
    note: str = "",
    progress: bool = True,
) -> tuple[CurvaturePath, list[Path]]:
    """Measure curvature, or find it measured, and draw what is missing; see :func:`landscape.flatness.draw.draw`."""
    from landscape.flatness.curvature import measure

    key = plan.digest()
    stem = stem_of("curvature", plan.opened, key, out=out, name=name)

    def make(journal: Path) -> CurvaturePath:
        return measure(plan, device=device, journal=journal, progress=progress)

    path, written = find_or_make(stem, key, CurvaturePath.load, make, endings=ENDINGS)
    return path, [*written, *draw_path_files(path, stem, formats, note=note)]


def draw_path_files(
    path: CurvaturePath, stem: Path, formats: Sequence[Format] = FORMATS, *, note: str = "", again: bool = False
) -> list[Path]:
    """Draw curvature into ``STEM.png``, ``STEM-classifier.png``, ``STEM-ggn.png`` and so on.

    Args:
        path: the result.
        stem: path without suffix.
        formats: what to draw.
        note: a sentence to add to the captions.
        again: draw also the files that exist.
    """

    def drawing(scope: Scope, matrix: Matrix) -> "Callable[[], Figure]":
        def figure() -> "Figure":
            from matplotlib.figure import Figure

            from landscape.plots.curvature import plot_curvature

            return plot_curvature(path, scope, matrix=matrix, figure=Figure(), note=note)

        return figure

    figures = {
        "".join(f"-{word}" for word in (scope, matrix) if word not in ("full", "hessian")): drawing(scope, matrix)
        for scope in path.scopes
        for matrix in path.matrices
    }
    return draw_missing(stem, figures, formats, title="Curvature along training", about=path.about, again=again)
