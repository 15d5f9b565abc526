"""What a surface says in a terminal: the plane, how far its paths leave it, values true and projected."""

import numpy as np

from landscape.surface.surface import Mark, Surface

_COLUMNS = {"train_loss": "train loss", "fgmix_train_loss": "FGMix train loss", "test_accuracy": "test accuracy"}


def report(surface: Surface) -> str:
    """Anchors, path ends and paths as text.

    A path leaves the plane: beside the true value of its end stands the value at its projection, which is
    what a figure shows there.
    """
    lines = [
        f"angle at w1 between the directions to w2 and w3: {surface.about['angle']:.1f} degrees",
        "",
        *_marks(surface),
        "",
        *_paths(surface),
        *_mixture(surface),
        *(f"note: {note}" for note in surface.about["notes"]),
    ]
    return "\n".join(lines).rstrip()


def _mixture(surface: Surface) -> list[str]:
    mixup, n = surface.about["mixup"], surface.about["n"]
    if mixup is None:
        return []
    skipped = f"; {n['mixup_skipped']:,} images have no partner in some source" if n["mixup_skipped"] else ""
    return [
        f"mixup codes: {n['mixup']:,}, one per training image{skipped}; weights frozen at {mixup['policy']}, "
        f"{mixup['extrapolated']:.1%} extrapolated"
    ]


def _marks(surface: Surface) -> list[str]:
    names = [name for name in _COLUMNS if name in surface.panels]
    labels = [f"{mark.label}: {mark.name}" for mark in surface.marks]
    width = max((len(label) for label in labels), default=0) + 2
    head = f"{'':{width}}{'off plane':>10}" + "".join(f"{_COLUMNS[name]:>24}" for name in names)
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
