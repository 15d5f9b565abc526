"""How far the target's minimum lies from the sources' on the plane of figure 6."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.cells import Key, left_out
from landscape.figures.numbers.evidence import over_keys
from landscape.figures.numbers.seeds import over_seeds
from landscape.figures.numbers.study_surfaces import ALGORITHMS, surfaces_of
from landscape.plots.shift import plot_shift

if TYPE_CHECKING:
    from landscape.surface import Surface


def make(study: Study) -> Product:
    """From the lowest train loss to the target's lowest loss, and to the centroid of its best accuracies.

    In units of the distance from the initialisation to ERM + SWA. Every target and seed with finished runs has its own
    surface, which figure 6 measures too.
    """
    surfaces = surfaces_of(study)
    table = shift_table(surfaces)
    seeds = over_seeds(table, ["target"], ["to_loss", "to_accuracy"])
    targets = list(dict.fromkeys(target for target, _ in surfaces))
    used = sorted({seed for _, seed in surfaces})
    n = {target: surface.about["n"]["test"] for (target, _), surface in surfaces.items()}
    counts = ", ".join(f"{name} {count}" for name, count in n.items())
    grid = {f"{len(surface.x)} x {len(surface.y)}" for surface in surfaces.values()}
    several = len(used) > 1
    return Product(
        caption=(
            f"{study.about(targets, used)} Distance on the plane through the initialisation, ERM + SWA and FGMix + SWA "
            f"({', '.join(sorted(grid))} points) from the lowest train loss of the sources to (a) the target's lowest "
            "loss and (b) the centroid of the points whose target accuracy is within one standard error, "
            f"sqrt(p (1 - p) / n), of the best (n: {counts}), in units of the distance from the initialisation to ERM "
            "+ SWA. Thin bars: what the grid leaves open, half a step in x and y at either end; open marks: a minimum "
            "on the border of the grid, which may lie further out. "
            + ("Thick: mean over seeds with its 95 % t-interval." if several else "One seed: no interval over seeds.")
        ),
        finding=_finding(study, table),
        figures={"": plot_shift(table, seeds if several else None, figure=Figure())},
        tables={"": table, **({"seeds": seeds} if several else {})},
        facts={"seeds": used, "targets": targets, "n": n},
        notes=left_out(study, surfaces, ALGORITHMS),
    )


def shift_table(surfaces: "dict[Key, Surface]") -> pd.DataFrame:
    """One row for each target and seed; distances over that from w1 to w2 (:class:`~landscape.surface.shift.Shift`)."""
    from landscape.surface.shift import shift_of

    rows = []
    for (target, seed), surface in surfaces.items():
        shift = shift_of(surface)
        rows.append(
            {
                "target": target,
                "seed": seed,
                "to_loss": shift.to_loss,
                "to_accuracy": shift.to_accuracy,
                "grid_error": shift.error,
                "loss_at_edge": shift.at_edge,
                "train_at_edge": shift.train.at_edge,
                "best_accuracy": shift.best_accuracy,
                "best_balanced_accuracy": float(surface.panel("test_balanced_accuracy").max()),
                "standard_error": shift.standard_error,
                "best_points": shift.best_points,
                "unit": shift.unit,
                "train_x": shift.train.x,
                "train_y": shift.train.y,
                "target_x": shift.target.x,
                "target_y": shift.target.y,
                "best_x": shift.best[0],
                "best_y": shift.best[1],
            }
        )
    return pd.DataFrame(rows)


def _finding(study: Study, table: pd.DataFrame) -> str:
    words = []
    for name, what in (("to_loss", "lowest loss"), ("to_accuracy", "best accuracy")):
        clear = int((table[name] > table["grid_error"]).sum())
        words.append(f"the target's {what} lies further away than the grid leaves open in {clear} of {len(table)}")
    distances = {(row["target"], row["seed"]): float(row["to_accuracy"]) for _, row in table.iterrows()}
    evidence = over_keys(study, distances)  # of the seeds that have every target
    mean, several = evidence.mean, len(evidence.seeds) > 1
    interval = f" [{mean.low:.2f}, {mean.high:.2f}], 95 % t-interval over {mean.n} seeds" if several else ", one seed"
    edge = int(table["loss_at_edge"].sum())
    border = f" In {edge} of {len(table)} a lowest loss lies on the border of the grid." if edge else ""
    return (
        f"Of the planes (targets x seeds), {' and '.join(words)}; distance to the best accuracy, mean over targets: "
        f"{mean.value:.2f}{interval}.{border}"
    )
