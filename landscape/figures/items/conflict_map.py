"""Mean pairwise cosine of the source domains' gradients over the plane of figure 6, with the paths on top."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.study_surfaces import main_key, setting_of, surface_of
from landscape.plots.conflict import plot_conflict_figure

if TYPE_CHECKING:
    from landscape.surface import Surface
    from landscape.surface.conflict import ConflictMap


def make(study: Study) -> Product:
    """Where on the plane a step that helps one source domain hurts another: all parameters, float64 dot products.

    One target and seed: a map of one plane. The table holds every pair and, as a yardstick, the cosine between the
    gradients of two halves of one domain's images.
    """
    from landscape.surface.domain_gradients import conflict_map
    from landscape.surface.recipe import Where

    target, seed = main_key(study)
    surface = surface_of(study, target, seed)
    found = conflict_map(
        setting_of(study, target, seed),
        out=study.results,
        where=Where(points=study.scale.conflict_points),
        images=study.scale.conflict_images,
        device=study.device,
        progress=study.progress,
    )
    n = found.about["n"]
    counts = ", ".join(f"{name} {n[name]}" for name in found.domains)
    return Product(
        caption=(
            f"{study.about([target], [seed])} Plane through the initialisation, ERM + SWA and FGMix + SWA, as in "
            f"figure 6. Colour: cosine between two source domains' gradients of the mean cross entropy in all "
            f"parameters, mean over the {len(found.pairs)} pairs, at {len(found.x)} x {len(found.y)} measured points, "
            f"linear between them; red: conflict, blue: agreement, black line: zero. n = {n['used']} training images "
            f"({counts}), stratified by domain and class; float32 passes, float64 dot products; evaluation mode. No "
            "interval: one sample of images, one run of each method."
        ),
        finding=_finding(found, surface),
        figures={"": plot_conflict_figure(found, surface, figure=Figure())},
        tables={"": found.to_dataframe()},
        facts={"seeds": [seed], "targets": [target], "n": dict(n)},
        notes=tuple(found.about["notes"]),
    )


def at_anchors(found: "ConflictMap", surface: "Surface") -> pd.DataFrame:
    """The grid point nearest to every anchor, with its mean cosine and that within domains."""
    rows = []
    for mark in surface.anchors:
        i, j = int(np.argmin(np.abs(found.y - mark.y))), int(np.argmin(np.abs(found.x - mark.x)))
        rows.append((mark.label, mark.name, found.x[j], found.y[i], found.mean[i, j], found.mean_within[i, j]))
    return pd.DataFrame(rows, columns=["anchor", "checkpoint", "x", "y", "mean_cosine", "within_domains"])


def _finding(found: "ConflictMap", surface: "Surface") -> str:
    values = found.mean[np.isfinite(found.mean)]
    if not values.size:
        return "No gradient is finite and above zero on this grid: there is nothing to compare."
    near = at_anchors(found, surface)
    words = ", ".join(
        f"{row.mean_cosine:+.2f} near {row.checkpoint} (two halves of one domain {row.within_domains:+.2f})"
        for row in near.itertuples()
    )
    return (
        f"The mean cosine runs from {values.min():+.2f} to {values.max():+.2f} over the plane and is below zero at "
        f"{int((values < 0).sum())} of {values.size} points: {words}. One seed, one sample of images."
    )
