"""Sources, a target outside their hull, and a classifier without mixup, interpolating, extrapolating (FGMix, Figure 1).

A real computation in two dimensions on many random draws, of which the first one is shown, and the two extremes.
"""

from typing import Any

import numpy as np
import pandas as pd

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.intervals import Interval, share_of
from landscape.plots.fig1 import plot_plane
from landscape.toy.planar_domains import SOURCES, WAYS, Outcome, Setting, simulate

SETTING = Setting()
# From how large a difference of target accuracy on a draw counts as help or harm.
THRESHOLD = 0.01
BANDS = ((0, 30), (30, 60), (60, 90))


def make(study: Study) -> Product:
    """Simulate the draws under the study's first seed, and count where extrapolation helps."""
    seed = study.seeds[0]
    outcome = simulate(SETTING, seed=seed)
    compared = [_compare(outcome, other) for other in (0, 1)]
    shares = pd.DataFrame(compared)
    bands = pd.DataFrame([_band(outcome, low, high) for low, high in BANDS])
    return Product(
        caption=_caption(outcome, seed),
        finding=_finding(compared[1], len(outcome.angle)),
        figures={"": plot_plane(outcome, shares, bands, ways=WAYS, threshold=THRESHOLD)},
        tables={"shares": shares, "directions": bands, "draws": _draws(outcome)},
        facts={"seeds": [seed], "n": SETTING.worlds, "unit": "draws"},
    )


def _draws(outcome: Outcome) -> pd.DataFrame:
    """Every draw."""
    columns: dict[str, Any] = {"draw": np.arange(1, len(outcome.angle) + 1), "angle": outcome.angle}
    columns["outside"] = outcome.outside
    columns |= {f"target {way}": outcome.accuracy[:, i] for i, way in enumerate(WAYS)}
    columns |= {f"source {way}": outcome.source_accuracy[:, i] for i, way in enumerate(WAYS)}
    return pd.DataFrame(columns)


def _compare(outcome: Outcome, other: int) -> dict[str, Any]:
    """Extrapolation against another way of training, over all draws."""
    return {"against": WAYS[other], **_count(outcome.gain[:, other])}


def _band(outcome: Outcome, low: float, high: float) -> dict[str, Any]:
    """Extrapolation against interpolation where the target lies in some directions."""
    chosen = (outcome.angle >= low) & ((outcome.angle < high) | (high == BANDS[-1][1]))
    return {"low": low, "high": high, **_count(outcome.gain[chosen, 1])}


def _count(gain: np.ndarray) -> dict[str, Any]:
    """Shares of help and harm with Wilson's 95 % intervals, mean gain with its 95 % t-interval; NaN without spread."""
    found: dict[str, Any] = {"n": len(gain)}
    for kind, sign in (("helps", 1), ("hurts", -1)):
        hits = int((np.round(sign * gain, 9) >= THRESHOLD).sum())
        one = share_of(hits, len(gain), method="wilson")
        found |= {kind: one.value, f"{kind}_low": one.low, f"{kind}_high": one.high}
    mean = Interval.of(gain, "draws")
    return found | {"mean": mean.value, "mean_low": mean.low, "mean_high": mean.high}


def _finding(row: dict[str, Any], n: int) -> str:
    words = "undecided on average: the interval holds 0"
    if row["mean_low"] > 0:
        words = "on average it helps here"
    elif row["mean_high"] < 0:
        words = "on average it hurts here"

    def share(kind: str) -> str:
        return f"{100 * row[kind]:.0f} % ({100 * row[kind + '_low']:.0f} to {100 * row[kind + '_high']:.0f})"

    return (
        f"On {n} random targets outside the sources, extrapolation has at least {100 * THRESHOLD:g} point more target "
        f"accuracy than interpolation on {share('helps')} and at least {100 * THRESHOLD:g} point less on "
        f"{share('hurts')}; mean difference {100 * row['mean']:+.1f} points ({100 * row['mean_low']:+.1f} to "
        f"{100 * row['mean_high']:+.1f}), {words}."
    )


def _caption(outcome: Outcome, seed: int) -> str:
    setting = outcome.setting
    accuracy = ", ".join(f"{way} {100 * outcome.accuracy[:, i].mean():.1f} %" for i, way in enumerate(WAYS))
    return (
        f"Simulated codes in two dimensions, no images: {SOURCES} source domains and a target, two classes. "
        f"{setting.worlds} independent draws of domains, target direction and classifier (seed {seed}); the first is "
        "shown, and the two with the largest gain and loss of extrapolation over interpolation. The target's centre "
        f"lies in a uniformly random direction, {setting.beyond[0]:g} to {setting.beyond[1]:g} beyond the hull of the "
        f"sources' centres; {100 * outcome.outside.mean():.0f} % of target codes lie outside the hull of the source "
        f"codes of their class (a quarter of them is drawn). A two-layer classifier "
        f"({setting.hidden} hidden units) is trained on "
        f"{2 * SOURCES * setting.per_class} source codes alone, with {setting.codes} interpolated codes more "
        f"(Dirichlet({setting.concentration:g}) weights), or with the same weights scaled and shifted (Eq. 5, lambda "
        f"{setting.scale:g}; {100 * outcome.extrapolated:.0f} % of the codes then have a negative weight). Mean target "
        f"accuracy: {accuracy} (classes are even, so balanced accuracy is the same). 95 % intervals over draws: "
        "Wilson's for shares, t for means. The weights are random here: the figure is about extrapolation, the policy "
        "takes no part. The toy is ours and so are its settings; of some 16 settings and seeds that were tried while "
        "it was made, none favoured extrapolation clearly, and several spoke against it."
    )
