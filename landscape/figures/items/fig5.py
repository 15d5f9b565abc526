"""Flatness of ERM, A, C and FGMix along random directions, for every target and together (FGMix paper, Figure 5)."""

from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd
from matplotlib.figure import Figure

from landscape.algorithms.catalogue import METHODS, label_of
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.cells import Key, left_out
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.seeds import verdict, whole_seeds
from landscape.figures.numbers.study_flatness import flatness_of, gammas_of, pilot_of
from landscape.plots.fig5 import clipped, plot_fig5

if TYPE_CHECKING:
    from landscape.flatness import Flatness, FlatnessCurve
    from landscape.flatness.pooling import PooledCurve

Statistic = Literal["squared", "signed", "absolute"]
COMBINED = "combined"


def make(study: Study) -> Product:
    """E[(L(theta + gamma u) - L(theta))^2] over random unit directions u in all parameters, around the last iterates.

    The paper writes of each method's minimizer and names SWA in its Figure 6 only: so these are the last raw iterates,
    at which FGMix's policy was trained too. Every method, target and seed is moved along the same directions by the
    same gammas, which one pilot chooses.
    """
    keys = study.complete(("erm", "fgmix"))
    gammas = gammas_of(study)
    found = {key: flatness_of(study, *key, gammas) for key in keys}
    first = keys[0][1]
    shown = {target: flatness for (target, seed), flatness in found.items() if seed == first}
    together = combined(shown)
    curves = curves_table(found)
    differences = differences_table(curves)
    return Product(
        caption=_caption(study, shown, first, together),
        finding=_finding(differences),
        figures={"": plot_fig5(shown, together, figure=Figure())},
        tables={"": largest(differences)},
        long={"curves": curves, "differences": differences},
        facts={
            "seeds": sorted({seed for _, seed in found}),
            "targets": list(shown),
            "methods": {target: list(each.methods) for target, each in shown.items()},
            "n": {target: each.about["n"]["used"] for target, each in shown.items()},
            "directions": study.scale.directions,
            "gammas": list(gammas),
        },
        notes=(*left_out(study, keys, ("erm", "fgmix")), *_without_methods(study, found), *_notes(shown)),
    )


def largest(differences: pd.DataFrame) -> pd.DataFrame:
    """The differences to ERM at the largest gamma, of the mean squared gap: what a reader looks for first."""
    rows = differences[(differences["gamma"] == differences["gamma"].max()) & (differences["statistic"] == "squared")]
    return rows.drop(columns=["statistic"]).reset_index(drop=True)


def combined(flatness: "dict[str, Flatness]") -> "list[PooledCurve]":
    """Each method's mean over targets, for the methods that every target has; nothing for one target."""
    from landscape.flatness.pooling import pooled

    if len(flatness) < 2:
        return []
    everywhere = [
        name for name in next(iter(flatness.values())).methods if all(name in f.methods for f in flatness.values())
    ]
    return [
        pooled([curve for each in flatness.values() for curve in each.of("full") if curve.method == name])
        for name in everywhere
    ]


def curves_table(found: "dict[Key, Flatness]") -> pd.DataFrame:
    """One row for each target, seed, method, loss, gamma and statistic: mean and its 95 % interval over directions.

    The target ``combined`` is the mean over the first seed's targets, direction by direction, of seeds that have them
    all.
    """
    rows = []
    targets, whole = whole_seeds(found)
    for seed in dict.fromkeys(seed for _, seed in found):
        per_target = {target: flatness for (target, each), flatness in found.items() if each == seed}
        own = [(target, curve) for target, flatness in per_target.items() for curve in flatness.of("full")]
        losses = own[0][1].losses
        together = combined({target: per_target[target] for target in targets}) if seed in whole else []
        curves: list[tuple[str, FlatnessCurve | PooledCurve]] = [*own, *((COMBINED, each) for each in together)]
        for target, curve in curves:
            for loss in losses:
                for statistic in get_args(Statistic):
                    mean, interval = curve.mean(statistic, loss), curve.interval(statistic, loss)
                    rows += [
                        (target, seed, curve.method, loss, statistic, gamma, mean[g], *interval[g])
                        for g, gamma in enumerate(curve.gamma)
                        if g
                    ]
    names = ["target", "seed", "method", "loss", "statistic", "gamma", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def differences_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of each method's curve less ERM's, with its 95 % t-interval over seeds (none for one seed).

    On the loss ``own`` the two curves are of different losses.
    """
    by = ["target", "loss", "statistic", "gamma"]
    erm = label_of("erm")
    base = curves[curves["method"] == erm].set_index([*by, "seed"])["mean"]
    rows = []
    others = curves[curves["method"] != erm]
    for (method, *names), group in others.groupby(["method", *by], sort=False):
        ours = group.set_index("seed")["mean"]
        theirs = pd.Series({seed: base[(*names, seed)] for seed in ours.index})
        mean = Mean.of((ours - theirs).to_numpy())
        ratio = float(ours.mean() / theirs.mean()) if theirs.mean() else float("nan")
        rows.append((*names[:1], method, *names[1:], mean.n, mean.value, mean.low, mean.high, ratio, verdict(mean)))
    columns = [
        "target",
        "method",
        "loss",
        "statistic",
        "gamma",
        "seeds",
        "minus_erm",
        "low",
        "high",
        "over_erm",
        "verdict",
    ]
    return pd.DataFrame(rows, columns=columns)


def _caption(study: Study, shown: "dict[str, Flatness]", seed: int, together: "list[PooledCurve]") -> str:

    about = next(iter(shown.values())).about
    target, pilot_seed = pilot_of(study)
    n = {each.about["n"]["used"] for each in shown.values()}
    counts = f"{min(n):,}" if len(n) == 1 else f"{min(n):,} to {max(n):,}"
    words = [
        study.about(list(shown), [seed]),
        f"E[(L(theta + gamma u) - L(theta))^2] around the last raw iterate of each run, over {study.scale.directions} "
        "random unit directions u in all parameters, the same ones for every method, target and seed, at the same "
        f"gammas (equal steps up to where the loss of ERM, target {target}, seed {pilot_seed}, changes by 1 nat). "
        f"Loss: mean cross entropy of {counts} training images, stratified by domain and class. Faint: each "
        "direction; line: mean; band: 95 % bootstrap interval over directions, which describes these runs and says "
        "nothing of other seeds.",
    ]
    if about.get("shared"):
        words.append(
            "Top: different losses, ERM on the images, the others on these and their own mixup codes. Middle: the same "
            "losses for every method, images and one fixed set of groups whose weights were frozen at the "
            "target's FGMix run (solid), and images alone (dashed). Bottom: the solid curves less ERM's along the same "
            "directions, with 95 % t-intervals over directions."
        )
    if together:
        words.append("Combined: the mean over targets, direction by direction.")
    left, lines = clipped(shown)
    if left:
        words.append(f"{left:,} of {lines:,} faint lines leave the panels.")
    return " ".join(words)


def _finding(differences: pd.DataFrame) -> str:
    fgmix = label_of("fgmix")
    rows = differences[
        (differences["gamma"] == differences["gamma"].max())
        & (differences["statistic"] == "squared")
        & (differences["method"] == fgmix)
    ]
    fair = "shared" if "shared" in set(rows["loss"]) else "original"
    seeds = int(rows["seeds"].max())
    parts = []
    for target, row in rows[rows["loss"] == fair].set_index("target").iterrows():
        interval = f" [{row['low']:+.2g}, {row['high']:+.2g}], {row['verdict']}" if seeds > 1 else ""
        parts.append(f"{target} {row['minus_erm']:+.2g}{interval} ({row['over_erm']:.2f} times ERM's)")
    own = rows[(rows["loss"] == "own")].set_index("target")["over_erm"]
    other = ""
    if len(own):
        other = f" On different losses, as in the paper, it is {own.min():.2f} to {own.max():.2f} times ERM's."
    over = "one seed, so undecided" if seeds == 1 else f"95 % t-intervals over {seeds} seeds"
    return (
        f"On the same loss, at the largest gamma, FGMix's mean squared gap less ERM's is, in nat^2: {', '.join(parts)}"
        f"; {over}.{other}"
    )


def _without_methods(study: Study, found: "dict[Key, Flatness]") -> tuple[str, ...]:
    wanted = [label_of(name) for name in study.scale.methods if name in METHODS]
    missing = [
        f"{name} for {target} (seed {seed})"
        for (target, seed), flatness in found.items()
        for name in wanted
        if name not in flatness.methods
    ]
    return (f"left out for lack of finished runs: {', '.join(missing)}",) if missing else ()


def _notes(shown: "dict[str, Flatness]") -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for flatness in shown.values() for note in flatness.about["notes"]))
