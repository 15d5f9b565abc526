"""Does flatness guidance make the choice of lambda matter less? Accuracy and flatness for lambda fixed at five values.

Without L_flat the weights are those of variant D: cosines of the gradients, scaled with lambda. With L_flat they are
those of E0, our control: E, whose score L_flat teaches, but with lambda fixed. The two differ in the score as well,
because without L_flat there is nothing that could teach one.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from landscape.algorithms.catalogue import label_of
from landscape.config import RunConfig
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.run_scores import percent
from landscape.figures.numbers.study_flatness import gammas_of, measured
from landscape.figures.numbers.tabulate import kind_of_error, written
from landscape.plots.sensitivity import plot_scaling

SCALES = (1.0, 2.0, 3.0, 5.0, 8.0)
METHODS = {"d": "without L_flat (D)", "e0": "with L_flat (E0)"}


def config_of(study: Study, method: str, scale: float, seed: int) -> RunConfig:
    """D or E0 on the main target with one fixed lambda."""
    config = study.run_config(method, study.main, seed)
    return config.replace(mixup=replace(config.mixup, scale_init=scale))


def wanted(study: Study) -> list[RunConfig]:
    """Ten runs for every seed, and ERM and FGMix, from which flatness takes its distances and shared codes."""
    own = [config_of(study, name, scale, seed) for seed in study.seeds for name in METHODS for scale in SCALES]
    return own + study.wanted(("erm", "fgmix"), [study.main])


@dataclass(frozen=True)
class Sensitivity:
    """Scores for fixed lambda.

    Attributes:
        values: name of a quantity -> (method, lambda, seed).
        gamma: the distance at which the loss rises are measured.
    """

    values: dict[str, np.ndarray]
    gamma: float

    def spread(self, quantity: str, method: int) -> Mean:
        """Range over lambda (largest minus smallest), seed by seed."""
        found = self.values[quantity][method]
        return Mean.of(np.ptp(found, axis=0))


def measure(study: Study) -> Sensitivity:
    """Accuracy in percent, and the root mean square rise of two losses in nats; NaN without a run.

    ``own``: original and own mixup codes, the paper's loss. ``original``: training images only, the same loss for all.

    Raises:
        InputError: none of the runs is finished, or ERM or FGMix is not.
    """
    names = ("accuracy", "balanced accuracy", "accuracy, SWA", "rise, original", "rise, own")
    values = {name: np.full((len(METHODS), len(SCALES), len(study.seeds)), np.nan) for name in names}
    gammas = gammas_of(study)
    for m, method in enumerate(METHODS):
        for i, scale in enumerate(SCALES):
            for s, seed in enumerate(study.seeds):
                run = study.finished(config_of(study, method, scale, seed))
                if run is None:
                    continue
                place = (m, i, s)
                values["accuracy"][place] = percent(run)
                values["balanced accuracy"][place] = percent(run, metric="balanced_accuracy")
                values["accuracy, SWA"][place] = percent(run, swa=True)
                groups = study.run("fgmix", study.main, seed)
                if groups is not None:
                    (curve,) = measured(study, run, groups, gammas).of("full")
                    for loss in ("original", "own"):
                        values[f"rise, {loss}"][place] = np.sqrt(curve.mean("squared", loss)[-1])
    if np.isnan(values["accuracy"]).all():
        raise study.lacks(list(METHODS), [study.main], study.seeds)
    return Sensitivity(values, gammas[-1])


def make(study: Study) -> Product:
    """Target accuracy and flatness for lambda fixed at 1, 2, 3, 5, 8, with and without L_flat (beyond both papers).

    Raises:
        InputError: none of the runs is finished.
    """
    found = measure(study)
    rows = []
    for m, method in enumerate(METHODS):
        for i, scale in enumerate(SCALES):
            row = {"method": label_of(method), "L_flat": "no" if method == "d" else "yes", "lambda": f"{scale:g}"}
            for name, values in found.values.items():
                mean = Mean.of(values[m, i])
                row[name] = written(mean) if "accuracy" in name else f"{mean.value:.4g}"
            rows.append(row)
    missing = int(np.isnan(found.values["accuracy"]).sum())
    done = found.values["accuracy"].size - missing
    return Product(
        caption=f"{study.about([study.main])} Accuracy on the target after the last step, in percent, and the "
        f"root mean square change of the loss at distance {found.gamma:.3g} over {study.scale.directions} directions, "
        "the same random ones for all, in nats; on the training images and on them with the run's own mixup codes. "
        f"Points are seeds, lines their mean ({kind_of_error(study.seeds)}).",
        finding=_finding(found),
        figures={"": plot_scaling(found.values, SCALES, METHODS)},
        tables={"": pd.DataFrame(rows)},
        facts={"seeds": list(study.seeds), "targets": [study.main], "n": done},
        notes=(
            "With L_flat the score is learned, without it the score is the gradients' cosine: the comparison holds the "
            "fixed lambda, and not the score, the same.",
            *([f"{missing} of {missing + done} runs are missing."] if missing else []),
        ),
    )


def _finding(found: Sensitivity) -> str:
    """The range of accuracy over lambda, with and without L_flat."""
    values = found.values["accuracy"]
    if np.isnan(values).any():
        done = int((~np.isnan(values)).sum())
        return f"{done} of {values.size} runs are there: the ranges over lambda cannot be compared yet."
    plain, guided = (found.spread("accuracy", m) for m in range(2))
    gap = Mean.of(np.ptp(values[1], axis=0) - np.ptp(values[0], axis=0))
    words = (
        f"Over lambda from {SCALES[0]:g} to {SCALES[-1]:g} the accuracy ranges over {plain.value:.1f} points without "
        f"L_flat and over {guided.value:.1f} with it"
    )
    if not gap.known:
        return f"{words}: one seed, undecided."
    verdict = "" if gap.decided else ", undecided"
    return f"{words}: {gap.value:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}] over {gap.n} seeds{verdict}."
