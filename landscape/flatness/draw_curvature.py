"""From a plan of curvatures to files: result and figures, each made once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape.flatness.draw import FORMATS, Format, file_name, find_or_make
from landscape.flatness.path import CurvaturePath

if TYPE_CHECKING:
    from landscape.flatness.curvature import CurvaturePlan


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
    """Measure curvature, or find it measured, and draw what is missing; see :func:`landscape.flatness.draw.draw`.

    Args:
        plan: checkpoints and settings.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw.
        device: where to compute.
        note: a sentence to add to the figures' captions.
        progress: show bars.

    Returns:
        The result, and the files that were written: none when everything was there already.
    """
    from landscape.flatness.curvature import measure

    key = plan.digest()
    stem = Path(out) / (name or file_name("curvature", plan.opened, key))

    def compute(journal: Path) -> CurvaturePath:
        return measure(plan, device=device, journal=journal, progress=progress)

    path, written = find_or_make(stem, key, CurvaturePath.load, compute)
    return path, [*written, *draw_path_files(path, stem, formats=formats, note=note, again=bool(written))]


def draw_path_files(
    path: CurvaturePath, stem: Path, *, formats: Sequence[Format] = FORMATS, note: str = "", again: bool = True
) -> list[Path]:
    """Draw curvature into ``STEM.png``, ``STEM-classifier.png``, ``STEM-ggn.png`` and so on.

    Args:
        path: the result.
        stem: path without suffix.
        formats: what to draw.
        note: a sentence to add to the captions.
        again: draw also the files that exist.
    """
    from matplotlib.figure import Figure

    from landscape.plots import theme
    from landscape.plots.curvature import plot_curvature

    written: list[Path] = []
    for scope in path.scopes:
        for matrix in path.matrices:
            words = [stem.name, *[word for word in (scope, matrix) if word not in ("full", "hessian")]]
            target = stem.with_name("-".join(words))
            missing: list[Any] = [f for f in formats if again or not target.with_name(f"{target.name}.{f}").is_file()]
            if missing:
                figure = plot_curvature(path, scope, matrix=matrix, figure=Figure(), note=note)
                about = {"title": "Curvature along training", **path.about.get("provenance", {})}
                written += theme.save(figure, target, formats=missing, about=about)
    return written
