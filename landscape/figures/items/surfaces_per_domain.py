"""One loss panel for each source domain and the target on the plane of figure 6: where minima part company."""

from itertools import combinations
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.study_surfaces import main_key, surface_of
from landscape.plots.domains import plot_domain_surfaces

if TYPE_CHECKING:
    from landscape.surface.shift import Lowest


def make(study: Study) -> Product:
    """The main target's plane, all panels with the same levels; every panel marks each domain's lowest grid point."""
    from landscape.surface.shift import domain_lowest, grid_error, unit_of

    target, seed = main_key(study)
    surface = surface_of(study, target, seed)
    minima = domain_lowest(surface)
    error, unit = grid_error(surface), unit_of(surface)
    distances = distances_table(minima, error, unit)
    n = {name: int(surface.values["n"].sel(domain=name, split="in")) for name in surface.about["sources"]}
    n[target] = surface.about["n"]["test"]
    counts = ", ".join(f"{name} {count}" for name, count in n.items())
    return Product(
        caption=(
            f"{study.about([target], [seed])} Mean cross entropy of each source domain's training images and of the "
            f"target's images (n: {counts}) on the plane through the initialisation, ERM + SWA and FGMix + SWA, as in "
            f"figure 6; {len(surface.x)} x {len(surface.y)} measured points, the same levels in all panels. Stars: the "
            f"grid point where the panel's own domain is lowest; dots: the other domains'. The grid leaves a distance "
            f"between two of them open by {error:.2g}. No interval: all images, one run of each method."
        ),
        finding=_finding(minima, distances),
        figures={"": plot_domain_surfaces(surface, minima, figure=Figure())},
        tables={"minima": minima_table(minima), "distances": distances},
        facts={"seeds": [seed], "targets": [target], "n": n, "grid_error": error},
        notes=tuple(surface.about["notes"]),
    )


def minima_table(minima: "dict[str, Lowest]") -> pd.DataFrame:
    """One row for each domain: where its loss is lowest on the grid, and whether that is on the grid's border."""
    rows = [(each.name, each.x, each.y, each.loss, each.at_edge) for each in minima.values()]
    return pd.DataFrame(rows, columns=["domain", "x", "y", "loss", "at_edge"])


def distances_table(minima: "dict[str, Lowest]", error: float, unit: float) -> pd.DataFrame:
    """One row for each pair of domains: distance between their lowest grid points, and what the grid leaves open."""
    from landscape.surface.shift import distance

    rows = [
        (a.name, b.name, distance(a, b), error, distance(a, b) / unit, error / unit, a.at_edge or b.at_edge)
        for a, b in combinations(minima.values(), 2)
    ]
    names = ["first", "second", "distance", "grid_error", "over_w1_w2", "grid_error_over_w1_w2", "at_edge"]
    return pd.DataFrame(rows, columns=names)


def _finding(minima: "dict[str, Lowest]", distances: pd.DataFrame) -> str:
    apart = int((distances["distance"] > distances["grid_error"]).sum())
    edge = [each.name for each in minima.values() if each.at_edge]
    words = f"The lowest points lie further apart than the grid leaves open for {apart} of {len(distances)} pairs"
    largest = distances.iloc[int(distances["distance"].argmax())]
    if largest["distance"] > 0:
        words += (
            f"; the largest distance is {largest['distance']:.2g} ({largest['first']} and {largest['second']}, "
            f"{largest['over_w1_w2']:.2f} of the distance from w1 to w2)"
        )
    if edge:
        words += f". Of {', '.join(edge)} it lies on the border of the grid, so the minimum may be outside"
    return f"{words}. One seed."
