"""What a surface says in a terminal: the plane, how far its paths leave it, values true and projected."""

import html
import math
from typing import TYPE_CHECKING

import numpy as np

from landscape.surface.panels import in_tables
from landscape.surface.profile import Profile
from landscape.surface.surface import Mark, Surface

if TYPE_CHECKING:
    import pandas as pd


def report(surface: Surface) -> str:
    """Anchors, path ends and paths as text.

    A path leaves the plane: beside the true value of its end stands the value at its projection, which is
    what a figure shows there.
    """
    lines = [
        _plane(surface),
        "",
        *_marks(surface),
        "",
        *_paths(surface),
        *_mixture(surface),
        *_refinement(surface),
        *(f"note: {note}" for note in surface.about["notes"]),
    ]
    return "\n".join(lines).rstrip()


def marks_table(surface: Surface) -> "pd.DataFrame":
    """One row for each anchor and path end: where it is, how far off the plane, every panel's value true and projected.

    Columns: ``point``, ``checkpoint``, ``role``, ``x``, ``y``, ``off_plane``, and per panel ``NAME`` and
    ``NAME_projected``; an anchor lies on the plane, so that its two values are one.
    """
    import pandas as pd

    rows = []
    for mark in surface.marks:
        row = {"point": mark.label, "checkpoint": mark.name, "role": mark.role, "x": mark.x, "y": mark.y}
        row["off_plane"] = mark.residual
        for name in surface.panels:
            row |= {name: mark.true.get(name, math.nan), f"{name}_projected": mark.projected.get(name, math.nan)}
        rows.append(row)
    return pd.DataFrame(rows)


def report_line(profile: Profile) -> str:
    """A line's two ends, the barrier between them, and notes."""
    lines = [
        f"{profile.names[0]} (at 0) to {profile.names[1]} (at 1), {profile.distance:.4g} apart",
        f"barrier of the train loss {profile.barrier():.4f} nats, of the test loss {profile.barrier('test_loss'):.4f}",
    ]
    for end in (0.0, 1.0):
        train, test, accuracy = (
            float(profile.values[name][profile.t == end][0]) for name in ("train_loss", "test_loss", "test_accuracy")
        )
        lines.append(f"at {end:g}: train loss {train:.4f}, test loss {test:.4f}, test accuracy {accuracy:.1%}")
    return "\n".join([*lines, *(f"note: {note}" for note in profile.about["notes"])])


def html_report(surface: Surface) -> str:
    """Anchors, path ends and notes as a table, for a notebook."""
    import pandas as pd

    about = surface.about
    shown = in_tables(surface.panels)
    rows = [
        {
            "": f"{mark.label}: {mark.name}",
            "off the plane": mark.residual,
            **{name.replace("_", " "): mark.true.get(name, math.nan) for name in shown},
            **{f"{name.replace('_', ' ')}, projected": mark.projected.get(name, math.nan) for name in shown},
        }
        for mark in surface.marks
    ]
    words = html.escape(
        f"Surface of {len(surface.x)} x {len(surface.y)} points, {int(surface.measured.sum())} measured. "
        f"Data {about.get('data', '?')}, target {about.get('target', '?')}, {about.get('model', '?')}."
    )
    notes = "".join(f"<li>{html.escape(str(note))}</li>" for note in about.get("notes", ()))
    table = pd.DataFrame(rows).to_html(index=False, float_format=lambda value: f"{value:.4g}", border=0)
    return f"<p>{words}</p>{table}<ul>{notes}</ul>"


def _plane(surface: Surface) -> str:
    kind = surface.about.get("plane", "through")
    if kind == "through":
        return f"angle at w1 between the directions to w2 and w3: {surface.about['angle']:.1f} degrees"
    words = {"pca": "the two largest principal components of its path", "random": "two random filter-normalised ones"}
    if kind == "hessian":
        known = surface.about["directions"]
        first, second = known["eigenvalues"]
        words["hessian"] = (
            f"the eigenvectors of its Hessian's two largest eigenvalues, {first:.4g} and {second:.4g} "
            f"({known['images']} training images)"
        )
    return f"plane through w1 along {words[kind]}"


def _mixture(surface: Surface) -> list[str]:
    mixup, n = surface.about["mixup"], surface.about["n"]
    if mixup is None:
        return []
    skipped = f"; {n['mixup_skipped']:,} images have no partner in some source" if n["mixup_skipped"] else ""
    fixed = {"fixed_weights": "weights frozen at", "recompute": "weights anew at each point by the policy of"}
    words = fixed.get(mixup["mode"], "codes and weights frozen at")
    return [
        f"mixup codes: {n['mixup']:,}, one per training image{skipped}; {words} {mixup['policy']}, "
        f"{mixup['extrapolated']:.1%} extrapolated"
    ]


def _refinement(surface: Surface) -> list[str]:
    about = surface.about.get("adaptive")
    if about is None:
        return []
    lines = [f"measured {about['measured']} of {about['points']} points, refined to {about['tolerance']:g}"]
    if not about["held_out"]:
        return lines
    lines.append(f"error of the interpolation at {about['held_out']} points that were held out and then measured:")
    for name, error in about["error"].items():
        unit = "" if name.endswith("accuracy") else " nats"
        beyond = "  (above the tolerance)" if error["max"] > about["tolerance"] else ""
        lines.append(f"  {name}: mean {error['mean']:.2g}, at most {error['max']:.2g}{unit}{beyond}")
    return lines


def _marks(surface: Surface) -> list[str]:
    names = in_tables(surface.panels)
    labels = [f"{mark.label}: {mark.name}" for mark in surface.marks]
    width = max((len(label) for label in labels), default=0) + 2
    head = f"{'':{width}}{'off plane':>10}" + "".join(f"{column:>24}" for column in names.values())
    below = f"{'':{width}}{'':>10}" + "".join(f"{'true':>12}{'projected':>12}" for _ in names)
    rows = [
        f"{label:{width}}{mark.residual:>10.4g}" + "".join(_pair(mark, name) for name in names)
        for label, mark in zip(labels, surface.marks, strict=True)
    ]
    return [head, below, *rows]


def _pair(mark: Mark, name: str) -> str:
    form = "{:>12.1%}" if name.endswith("accuracy") else "{:>12.4f}"
    # An anchor lies on the plane.
    projected = form.format(mark.projected[name]) if mark.role == "end" else f"{'':>12}"
    return form.format(mark.true[name]) + projected


def _paths(surface: Surface) -> list[str]:
    lines = []
    for path in surface.trajectories:
        share = "" if np.isnan(path.explained) else f"; the plane holds {path.explained:.0%} of its variance"
        lines.append(f"path {path.name}: {len(path)} points, at most {path.residual.max():.4g} off the plane{share}")
    return lines
