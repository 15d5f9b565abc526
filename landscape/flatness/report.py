"""What flatness curves and curvature say in a terminal."""

import math

from landscape.flatness.comparison import Flatness
from landscape.flatness.curve import STATISTICS, Statistic
from landscape.flatness.path import CurvaturePath

_MATRICES = {"hessian": "Hessian", "ggn": "Gauss-Newton matrix"}
_HEADINGS = {
    "own": "the paper's losses: each method on its own, so they are DIFFERENT losses",
    "shared": "the same loss for every method: training images and one fixed set of groups",
    "original": "the same loss for every method: training images",
}


def report(flatness: Flatness, statistic: Statistic = "squared") -> str:
    """Means over directions and their 95 % intervals, one table per scope and loss."""
    words, unit = STATISTICS[statistic]
    lines = []
    for scope in flatness.scopes:
        curves = flatness.of(scope)
        moved = "all parameters" if scope == "full" else "the classifier's parameters"
        lines += [
            f"{words} in {unit}, {curves[0].directions} random unit directions over {moved}; [95 % interval over them]"
        ]
        for loss in ("own", "shared", "original") if "own" in curves[0].losses else curves[0].losses:
            width = max(len(curve.method) for curve in curves) + 2
            lines += ["", f"  {_HEADINGS.get(loss, loss)}"]
            head = "".join(f"{f'gamma {gamma:.4g}':>28}" for gamma in curves[0].gamma[1:])
            lines.append(f"  {'':{width}}{'L(theta)':>9}{head}")
            for curve in curves:
                mean, interval = curve.mean(statistic, loss), curve.interval(statistic, loss)
                cells = "".join(
                    f"{f'{m:.3g} [{low:.3g}, {high:.3g}]':>28}"
                    for m, (low, high) in zip(mean[1:], interval[1:], strict=True)
                )
                lines.append(f"  {curve.method:{width}}{curve.base[curve.losses.index(loss)]:>9.4f}{cells}")
        norms = ", ".join(f"{curve.method} {curve.about['norm']:.4g}" for curve in curves if "norm" in curve.about)
        lines += ["", f"  norm of what is moved: {norms}", ""]
    if shared := flatness.about.get("shared"):
        lines.append(
            f"fixed mixup codes: {shared['codes']:,}, weights frozen at {shared['policy']}, "
            f"{shared['extrapolated']:.1%} extrapolated"
        )
    if pilot := flatness.about.get("pilot"):
        lines.append(
            f"gammas: equal steps up to where the loss of {pilot['method']} changes by {pilot['level']:g} nat in the "
            "median of five directions"
        )
    lines += [f"note: {note}" for note in flatness.about.get("notes", ())]
    return "\n".join(lines).rstrip()


def report_path(path: CurvaturePath) -> str:
    """Largest eigenvalues, trace and their errors at every checkpoint."""
    lines = []
    for scope in path.scopes:
        for matrix in path.matrices:
            points = [p for p in path.points if (p.curvature.scope, p.curvature.matrix) == (scope, matrix)]
            first = points[0].curvature
            moved = "all parameters" if scope == "full" else "the classifier's parameters"
            lines.append(
                f"{_MATRICES[matrix]} in {moved} ({first.parameters:,}), mean over {first.examples:,} training images, "
                f"{first.method}"
            )
            width = max(len(point.path) for point in points) + 2
            lines.append(f"  {'':{width}}{'step':>7}{'largest eigenvalues':>32}{'trace':>22}{'smallest':>12}")
            for point in points:
                c = point.curvature
                values = ", ".join(f"{value:.4g}" for value in c.eigenvalues)
                trace = f"{c.trace:.4g} +- {c.trace_error:.2g}" if c.trace_error else f"{c.trace:.4g}"
                smallest = "" if math.isnan(c.smallest) else f"{c.smallest:.3g}"
                lines.append(f"  {point.path:{width}}{point.step:>7}{values:>32}{trace:>22}{smallest:>12}")
            lines.append("")
    lines.append("+-: standard error over random vectors; without it the trace is exact")
    lines += [f"note: {note}" for note in path.about.get("notes", ())]
    return "\n".join(lines).rstrip()
