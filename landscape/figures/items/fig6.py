"""Loss surfaces of ERM and FGMix and test accuracy on one plane, with the training paths (FGMix paper, Figure 6)."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.cells import Key, left_out, noted, of_first_seed, stacked
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.seeds import in_words, over_seeds, verdict
from landscape.figures.numbers.study_surfaces import ALGORITHMS, surfaces_of
from landscape.plots.fig6 import losses_of, mixing_name, plot_fig6
from landscape.plots.interactive import write_page
from landscape.plots.levels import loss_levels
from landscape.plots.surface import axis_ratio

if TYPE_CHECKING:
    from landscape.surface import Surface

_QUANTITIES = ("off_plane", "train_loss", "train_loss_projected", "test_accuracy", "test_accuracy_projected")


def make(study: Study) -> Product:
    """A row for each target: both train losses and the target accuracy over all images, 7 x 7 points at quick.

    Every number that the picture needs is in the tables: how far each path's end lies off the plane, its true values
    beside those at its projection, and the angle between the anchors.
    """
    surfaces = surfaces_of(study)
    shown = of_first_seed(surfaces)
    ends, planes = ends_table(surfaces), planes_table(surfaces)
    tables = {"ends": ends, "planes": planes}
    if len(study.seeds) > 1:
        known = [name for name in _QUANTITIES if name in ends.columns]
        tables["seeds"] = over_seeds(ends, ["target", "point"], known)
    pages = {target: partial(_page, surface) for target, surface in shown.items()}
    return Product(
        caption=_caption(study, shown, next(iter(surfaces))[1]),
        finding=_finding(ends, planes),
        figures={"": plot_fig6(list(shown.values()), figure=Figure())},
        tables=tables,
        pages=pages,
        facts={
            "seeds": sorted({seed for _, seed in surfaces}),
            "targets": list(shown),
            "n": {target: dict(surface.about["n"]) for target, surface in shown.items()},
        },
        notes=(*left_out(study, surfaces, ALGORITHMS), *noted(shown.items())),
    )


def ends_table(surfaces: "dict[Key, Surface]") -> pd.DataFrame:
    """One row for each target, seed and checkpoint on the plane; see :func:`landscape.surface.report.marks_table`."""
    from landscape.surface.report import marks_table

    return stacked(surfaces, marks_table)


def planes_table(surfaces: "dict[Key, Surface]") -> pd.DataFrame:
    """One row for each target and seed: angle, contour step, accuracies of the averaged ends and their difference."""
    rows = []
    for (target, seed), surface in surfaces.items():
        _, erm, fgmix = surface.anchors
        row = {"target": target, "seed": seed, "angle_degrees": surface.about["angle"]}
        row["contour_step_nat"] = loss_levels(surface, losses_of(surface)).step
        for metric in ("test_accuracy", "test_balanced_accuracy"):
            row |= {f"ERM + SWA {metric}": erm.true[metric], f"FGMix + SWA {metric}": fgmix.true[metric]}
        row["difference"] = fgmix.true["test_accuracy"] - erm.true["test_accuracy"]
        row["paths_variance_in_plane"] = min(
            (path.explained for path in surface.trajectories if path.explained == path.explained), default=float("nan")
        )
        rows.append(row)
    return pd.DataFrame(rows)


def _page(surface: "Surface", path: Path) -> Path:

    return write_page(surface, path)


def _caption(study: Study, shown: "dict[str, Surface]", seed: int) -> str:

    first = next(iter(shown.values()))
    grid = f"{len(first.x)} x {len(first.y)}"
    mixture = {None: "", "fixed_weights": ", with the groups' weights frozen at the end of FGMix's training"}
    words = [
        study.about(list(shown), [seed]),
        "Plane through w1, the common initialisation, w2, the end of ERM + SWA, and w3, the end of FGMix + SWA; "
        f"every value is over all images at {grid} measured points, linear between them. Columns: mean cross entropy "
        f"of the training images; of these and {mixing_name(first)}'s mixup codes"
        f"{mixture.get((first.about.get('mixup') or {}).get('mode'), '')}; accuracy on all target images. The panels "
        "of a row have the same ranges, its two losses the same contour levels. Lines: paths of the raw iterates "
        "(thin) and of their averages (thick).",
    ]
    counts = "; ".join(
        f"{target} {each.about['n']['train']:,}, {each.about['n']['mixup']:,}, {each.about['n']['test']:,}"
        for target, each in shown.items()
    )
    words.append(f"Training images, mixup codes, target images: {counts}.")
    residuals = [mark.residual for surface in shown.values() for mark in surface.ends]
    if residuals:
        words.append(
            f"The raw paths end {min(residuals):.2g} to {max(residuals):.2g} off the plane: for true values beside "
            "those at the projections see the table fig6-ends, for angles fig6-planes."
        )
    else:
        words.append("No path of raw iterates; angles: table fig6-planes.")
    if any(axis_ratio(surface) is None for surface in shown.values()):
        words.append("Where the ranges differ much, x and y are not to the same scale.")
    words.append("No intervals: all images, one run each; the tables hold every seed.")
    return " ".join(words)


def _finding(ends: pd.DataFrame, planes: pd.DataFrame) -> str:
    seeds = planes["seed"].nunique()
    words = []
    for target, rows in planes.groupby("target", sort=False):
        mean = Mean.of(rows["difference"].to_numpy())
        balanced = (rows["FGMix + SWA test_balanced_accuracy"] - rows["ERM + SWA test_balanced_accuracy"]).mean()
        decision = f", {verdict(mean)}" if mean.known else ""
        words.append(f"{target} {in_words(mean, '+.3f')}{decision} (balanced {balanced:+.3f})")
    over = "one seed, which decides nothing" if seeds == 1 else f"95 % t-intervals over {seeds} seeds"
    raw = ends[ends["role"] == "end"]
    off = ""
    if len(raw):
        gap = (raw["train_loss_projected"] - raw["train_loss"]).abs()
        off = (
            f" The raw paths end {raw['off_plane'].min():.2g} to {raw['off_plane'].max():.2g} off the plane; there the "
            f"plane shows a train loss that is up to {gap.max():.2g} nat away from the true one."
        )
    return f"Target accuracy of FGMix + SWA less that of ERM + SWA: {', '.join(words)}; {over}.{off}"
