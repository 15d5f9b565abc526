"""How sensitive FGMix is to lambda's start and to eta: Table C.3 of the FGMix paper, as a table and a heat map."""

from dataclasses import replace

import numpy as np
import pandas as pd

from landscape.config import RunConfig
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.published import NONE
from landscape.figures.numbers.run_scores import percent
from landscape.figures.numbers.tabulate import kind_of_error, written
from landscape.plots.sensitivity import plot_grids
from landscape.reference import read
from landscape.training import Run

# The paper's grid (section 4.1 and C.3).
STARTS, ETAS = (1.0, 3.0, 5.0, 8.0), (0.01, 0.03, 0.1, 0.3)


def config_of(study: Study, start: float, eta: float, seed: int) -> RunConfig:
    """FGMix on the main target with one pair of settings."""
    config = study.run_config("fgmix", study.main, seed)
    return config.replace(mixup=replace(config.mixup, scale_init=start, eta=eta))


def wanted(study: Study) -> list[RunConfig]:
    """Sixteen runs of FGMix for every seed; the one with the study's own settings is there already."""
    return [config_of(study, start, eta, seed) for seed in study.seeds for start in STARTS for eta in ETAS]


def measure(study: Study, *, swa: bool = False, metric: str = "accuracy") -> np.ndarray:
    """(lambda's start, eta, seed) scores on the main target after the last step, in percent; NaN without a run."""
    return np.array(
        [
            [[percent(_run(study, start, eta, seed), swa=swa, metric=metric) for seed in study.seeds] for eta in ETAS]
            for start in STARTS
        ]
    )


def make(study: Study) -> Product:
    """Accuracy over lambda's start and eta (FGMix paper, Table C.3), a heat map beside the paper's.

    Raises:
        InputError: no run of the grid is finished.
    """
    found = {(swa, metric): measure(study, swa=swa, metric=metric) for swa in (False, True)
             for metric in ("accuracy", "balanced_accuracy")}  # fmt: skip
    own = found[False, "accuracy"]
    done = int((~np.isnan(own)).sum())
    if not done:
        raise study.lacks(["fgmix"], [study.main], study.seeds)
    printed = read("fgmix_sensitivity").pivot(index="lambda_init", columns="eta", values="mean")
    rows = []
    for i, start in enumerate(STARTS):
        for j, eta in enumerate(ETAS):
            row = {"lambda at the start": f"{start:g}", "eta": f"{eta:g}"}
            for (swa, metric), values in found.items():
                name = metric.replace("_", " ") + (", SWA" if swa else "")
                row[name] = written(Mean.of(values[i, j]))
            rows.append(row | {"paper": NONE, "paper, TerraIncognita": f"{float(printed.to_numpy()[i, j]):.1f}"})
    ours = pd.DataFrame(_mean(own), STARTS, ETAS)
    title = f"{study.data_name}, target {study.main}"
    return Product(
        caption=f"{study.about([study.main])} Accuracy of FGMix on the target after the last step, in percent, over "
        "the start of lambda (Eq. 5) and the weight eta of the adversarial loss (Eq. 8); "
        f"{kind_of_error(study.seeds)}. Each panel has its own colours. The paper's panel is "
        "TerraIncognita, mean over four targets.",
        finding=_finding(own),
        figures={"": plot_grids({title: ours, "paper, TerraIncognita": printed})},
        tables={"": pd.DataFrame(rows)},
        facts={"seeds": list(study.seeds), "targets": [study.main], "n": done},
        notes=(
            *([f"{own.size - done} of {own.size} runs of the grid are missing."] if done < own.size else []),
            "The paper's grid is a mean over four targets of TerraIncognita and ours one target, so its column beside "
            f"ours reads {NONE}. It prints no spread, and its maximum is the TerraIncognita value of its Table 1.",
        ),
    )


def _run(study: Study, start: float, eta: float, seed: int) -> Run | None:
    return study.finished(config_of(study, start, eta, seed))


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the last axis, of the numbers that are there."""
    return np.array([[Mean.of(cell).value for cell in row] for row in values])


def _finding(values: np.ndarray) -> str:
    """Where the maximum lies, and whether seeds tell it from the rest."""
    mean = _mean(values)
    found = int((~np.isnan(mean)).sum())
    if found < 2:
        return f"Only {found} of {mean.size} settings has a run: there is nothing to compare."
    i, j = np.unravel_index(int(np.nanargmax(mean)), mean.shape)
    low = np.unravel_index(int(np.nanargmin(mean)), mean.shape)
    words = (
        f"Highest at lambda {STARTS[i]:g}, eta {ETAS[j]:g} ({mean[i, j]:.1f}), lowest at lambda {STARTS[low[0]]:g}, "
        f"eta {ETAS[low[1]]:g} ({mean[low]:.1f})"
    )
    gap = Mean.of(values[i, j] - values[low])
    if not gap.known:
        return f"{words}: one seed, undecided."
    verdict = "" if gap.decided else ", undecided"
    return f"{words}: {gap.value:+.1f} points [{gap.low:+.1f}, {gap.high:+.1f}] over {gap.n} seeds{verdict}."
