"""The papers' numbers beside ours, and only where data set and protocol are the same."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from landscape.algorithms.catalogue import label_of
from landscape.config import PRESETS, RunConfig
from landscape.data.layouts import LAYOUTS
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.seeds import NONE
from landscape.reference import read

# Our names of the data sets -> those of the reference tables.
DATASETS = {
    "pacs": "PACS",
    "vlcs": "VLCS",
    "officehome": "OfficeHome",
    "terraincognita": "TerraInc",
    "domainnet": "DomainNet",
}
# What the ± of the papers' tables is, in the order of reference/README.md.
PLUS_MINUS = (
    "The paper's ±: for FGMix and the daggered rows it equals the mean of the per-target standard deviations in nearly "
    "all cells; for the other rows it is another statistic, probably the spread of the average. Neither compares with "
    "our standard errors."
)
SEARCH = "The paper chose its settings on source validation from a grid; ours are one setting, the preset's."


@dataclass(frozen=True)
class Printed:
    """A number as a paper prints it; the spread may be missing."""

    mean: float
    spread: float = np.nan

    def __str__(self) -> str:
        if np.isnan(self.mean):
            return NONE
        return f"{self.mean:.1f}" if np.isnan(self.spread) else f"{self.mean:.1f} ± {self.spread:.1f}"


def matched(study: Study) -> str | None:
    """The reference's name of the study's data set, if its numbers may stand beside ours; else None.

    Data set and protocol have to be the same: the ``paper`` preset's network, schedule, resolution and splits
    (DomainNet: 15,000 steps, T0 9,000 and the class-first sampler). SixStyles never matches.
    """
    base = study.base
    name = base.data.lower()
    if name not in DATASETS or base.domains:
        return None
    expected = PRESETS["paper"]
    if name == "domainnet":
        from dataclasses import replace

        expected = expected.replace(
            steps=15000, sampler="class-first", record_every=800, mixup=replace(expected.mixup, start=9000)
        )
    return DATASETS[name] if _protocol(base) == _protocol(expected) else None


def _protocol(config: RunConfig) -> dict[str, object]:
    free = ("algorithm", "data", "target", "seed", "precision")
    return {name: value for name, value in config.identity().items() if name not in free} | {"steps": config.steps}


def letter(study: Study, target: str) -> str:
    """The short name that the papers use for a domain of one of their data sets; else the name itself."""
    layout = LAYOUTS.get(study.base.data.lower())
    return layout.domains.get(target, target) if layout else target


def overall(study: Study, algorithm: str, *, swa: bool, target: str | None = None) -> Printed | None:
    """Table 1's value of one method, or with a target that of C.1; None where the study does not match."""
    dataset = matched(study)
    if dataset is None:
        return None
    table = read("fgmix_results")
    place, column = ("Table 1", "Avg") if target is None else (f"C.1 {dataset}", letter(study, target))
    return _only(
        table[
            (table["table"] == place)
            & (table["dataset"] == dataset)
            & (table["target_domain"] == column)
            & (table["algorithm"] == label_of(algorithm))
            & (table["swa"] == int(swa))
        ]
    )


def ablation(study: Study, variant: str, *, target: str | None = None) -> Printed | None:
    """Table 2's value of one variant, or with a target that of C.2; None where the study does not match."""
    dataset = matched(study)
    if dataset is None:
        return None
    table = read("fgmix_ablation")
    return _only(
        table[
            (table["dataset"] == dataset)
            & (table["target_domain"] == ("Avg" if target is None else letter(study, target)))
            & (table["variant"] == label_of(variant))
        ]
    )


def _only(rows: pd.DataFrame) -> Printed | None:
    return Printed(float(rows["mean"].iloc[0]), float(rows["std"].iloc[0])) if len(rows) else None
