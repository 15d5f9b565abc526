"""Top Hessian eigenvalue and trace from the start of mixup to the end of training, beside the flatness curve."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.study_flatness import flatness_of, gammas_of
from landscape.figures.numbers.study_surfaces import ALGORITHMS, main_key
from landscape.plots.curvature import plot_curvature_panels

if TYPE_CHECKING:
    from landscape.flatness import CurvaturePath, Flatness
    from landscape.training import Run


def make(study: Study) -> Product:
    """ERM and FGMix of the main target, raw iterates, Hessian of the training loss in all parameters.

    One target and seed. The trace is Hutchinson's, with its standard error over random vectors.
    """
    from landscape.flatness.curvature import CurvaturePlan
    from landscape.flatness.draw_curvature import draw_path
    from landscape.flatness.recipe import CurvatureRecipe
    from landscape.opened import Opened

    target, seed = main_key(study)
    runs = study.need(ALGORITHMS, target, seed)
    steps = steps_of(runs["erm"], study.scale.curvature_steps)
    opened = Opened.open(
        [run.find() for run in runs.values()],
        study.task(target, seed),
        network=study.base.model,
        progress=study.progress,
    )
    recipe = CurvatureRecipe(
        scope=("full",),
        images=study.scale.curvature_images,
        top=1,
        density=False,
        at_steps=tuple(steps),
        # The eigenvalue's error goes with the square of this; what is left of it is measured and said.
        tolerance=1e-2,
    )
    plan = CurvaturePlan.of(opened, recipe)
    path, _ = draw_path(plan, out=study.results, formats=(), device=study.device, progress=study.progress)
    flatness = flatness_of(study, target, seed, gammas_of(study))
    first = path.points[0].curvature
    residual = max(float(p.curvature.residuals[0] / abs(p.curvature.eigenvalues[0])) for p in path.points)
    return Product(
        caption=(
            f"{study.about([target], [seed])} Hessian of the mean cross entropy of {first.examples} training images, "
            f"stratified by domain and class, in all {first.parameters:,} parameters, at steps "
            f"{', '.join(map(str, steps))} of the raw iterates, evaluation mode. Left: largest eigenvalue (within a "
            f"relative {residual:.1g} of one of the matrix's). Middle: trace, Hutchinson's estimate; bars: its "
            f"standard error over {path.about['options']['trace_vectors']} random vectors. Right: E[(L(theta + gamma "
            f"u) - L(theta))^2] at the last step over {flatness.about['directions']} random unit directions and "
            f"{flatness.about['n']['used']} training images; band: 95 % bootstrap interval over directions. No "
            "interval over images or seeds: one run each."
        ),
        finding=_finding(path, flatness),
        figures={"": plot_curvature_panels(path, _of_both(flatness, path), figure=Figure())},
        tables={"": path.to_dataframe()},
        facts={"seeds": [seed], "targets": [target], "n": dict(path.about["n"]), "steps": list(steps)},
        notes=tuple(path.about["notes"]),
    )


def steps_of(run: "Run", count: int) -> tuple[int, ...]:
    """Recorded steps nearest to `count` even ones from the start of mixup, T0, to the end."""
    recorded = np.array([step for step, _ in run.checkpoints("raw")])
    first = min(run.config.mixup.start, int(recorded[-1]))
    wanted = np.linspace(first, recorded[-1], count)
    return tuple(sorted({int(recorded[np.argmin(np.abs(recorded - step))]) for step in wanted}))


def _of_both(flatness: "Flatness", path: "CurvaturePath") -> "Flatness":
    from landscape.flatness import Flatness

    return Flatness(tuple(curve for curve in flatness.curves if curve.method in path.paths), flatness.about)


def _finding(path: "CurvaturePath", flatness: "Flatness") -> str:
    ends = {name: path.along(name, "full")[-1].curvature for name in path.paths}
    starts = {name: path.along(name, "full")[0].curvature for name in path.paths}
    words = ", ".join(
        f"{name} {starts[name].eigenvalues[0]:.3g} to {ends[name].eigenvalues[0]:.3g} (trace {starts[name].trace:.3g} "
        f"to {ends[name].trace:.3g} +- {ends[name].trace_error:.2g})"
        for name in path.paths
    )
    gaps = {curve.method: float(curve.mean("squared", "original")[-1]) for curve in flatness.of("full")}
    order = sorted(path.paths, key=lambda name: ends[name].eigenvalues[0])
    flattest = min(path.paths, key=lambda name: gaps[name])
    agree = "also" if flattest == order[0] else "but"
    return (
        f"Largest eigenvalue from the first to the last of these steps: {words}. At the end it is lowest for "
        f"{order[0]}; along random directions the loss of the training images {agree} changes least for {flattest}. "
        "One seed, so undecided."
    )
