"""Rows and columns of the accuracy tables: one row a method, raw and averaged weights, our value beside the paper's."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from landscape.algorithms.catalogue import label_of
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import Mean, signed_rank
from landscape.figures.numbers.published import NONE, Printed
from landscape.figures.numbers.run_scores import METRICS, Block, Scores, Selection

WORDS = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
SELECTIONS: dict[Selection, str] = {"last": "last step", "validation": "by source validation"}
# (algorithm, swa, target or None for the average) -> what the paper prints, if it may be compared.
Lookup = Callable[[str, bool, str | None], Printed | None]


def written(mean: Mean) -> str:
    """``59.4 ± 1.2``: the mean and its standard error; one unit has no error."""
    if np.isnan(mean.value):
        return NONE
    return f"{mean.value:.1f} ± {mean.error:.1f}" if mean.n > 1 else f"{mean.value:.1f}"


def kind_of_error(seeds: Sequence[int]) -> str:
    """What the ± of our columns is."""
    return "one seed" if len(seeds) == 1 else f"± standard error over {len(seeds)} seeds"


def per_target(
    scores: Scores, study: Study, lookup: Lookup, *, selection: Selection = "last", metric: str = "accuracy"
) -> pd.DataFrame:
    """Methods x target domains in percent, the published value beside each; n/a where there is no run.

    The papers select on source validation, so their values stand beside ours with that selection only.
    A cell's ± is the standard error over the seeds of that method and target. The average over targets is there for
    methods with a run of every target in every seed shown.
    """
    if selection != "validation":
        lookup = _nothing
    rows = []
    for swa in (False, True):
        for algorithm in scores.algorithms:
            found = np.array(
                [
                    [
                        100 * scores.value(algorithm, target, seed, swa=swa, selection=selection, metric=metric)
                        for seed in study.seeds
                    ]
                    for target in study.targets
                ]
            )
            if np.isnan(found).all():
                continue
            row: dict[str, str] = {"method": label_of(algorithm, swa)}
            for target, values in zip(study.targets, found, strict=True):
                row[target] = written(Mean.of(values))
                row[f"{target}, paper"] = _paper(lookup, algorithm, swa, target, metric)
            full = found[:, ~np.isnan(found).any(axis=0)]
            row["average"] = written(Mean.of(full.mean(axis=0)))
            row["average, paper"] = _paper(lookup, algorithm, swa, None, metric)
            rows.append(row)
    table = pd.DataFrame(rows)
    paper = [name for name in table if str(name).endswith(", paper")]
    if (table[paper] == NONE).all(axis=None):  # one column says it as well as five
        table = table.drop(columns=paper).assign(paper=NONE)
    return table


def missing_cells(scores: Scores, study: Study) -> list[str]:
    """Which methods lack a run, and for which targets and seeds."""
    notes = []
    every = {(target, seed) for seed in study.seeds for target in study.targets}
    for name in scores.algorithms:
        if lacking := sorted(every - scores.cells(name)):
            words = ", ".join(f"{target} seed {seed}" for target, seed in lacking)
            notes.append(f"{label_of(name)} has no finished run for {words}.")
    if scores.missing:
        notes.append(f"Left out for lack of runs: {', '.join(label_of(name) for name in scores.missing)}.")
    return notes


def of_every_target(scores: Scores, study: Study, lookup: Lookup) -> dict[str, pd.DataFrame]:
    """The tables of an item with a column for each target: both metrics after the last step, and by validation."""
    return {
        "": per_target(scores, study, lookup),
        "balanced": per_target(scores, study, lookup, metric="balanced_accuracy"),
        "validation": per_target(scores, study, lookup, selection="validation"),
    }


def values(scores: Scores) -> pd.DataFrame:
    """Every number behind a table, one run, kind of weights and selection a row; shares, not percent."""
    table = scores.table.copy()
    table.insert(0, "method", [label_of(a, s) for a, s in zip(table["algorithm"], table["swa"], strict=True)])
    return table.drop(columns=["algorithm", "swa"])


def averages(block: Block, lookup: Lookup, reference: str | None) -> pd.DataFrame:
    """Methods x (selection, metric), averaged over targets; the difference to `reference` with its test.

    Args:
        block: the runs that are compared.
        lookup: the paper's numbers.
        reference: the algorithm to compare with, its averaged weights for the SWA rows; None: none.
    """
    error = " ± SE" if len(block.seeds) > 1 else ""
    rows = []
    for swa in (False, True):
        for algorithm in block.algorithms:
            row: dict[str, str] = {"method": label_of(algorithm, swa)}
            for selection, words in SELECTIONS.items():
                for metric in METRICS:
                    mean = block.average(algorithm, swa=swa, selection=selection, metric=metric)
                    row[f"{WORDS[metric]}, {words}{error}"] = written(mean)
            row[f"paper, {SELECTIONS['validation']}"] = _paper(lookup, algorithm, swa, None, "accuracy")
            if reference in block.algorithms:
                name = label_of(reference)
                gain, p = NONE, NONE
                if algorithm != reference:
                    each = block.of_targets(algorithm, reference, swa=swa)
                    gain = f"{each.mean():+.1f}"
                    value = signed_rank(each)
                    p = NONE if np.isnan(value) else f"{value:.3f}"
                row[f"minus {name} with the same weights, points (last step)"] = gain
                row["p (signed rank over targets)"] = p
            rows.append(row)
    return pd.DataFrame(rows)


def concepts(block: Block, algorithms: Sequence[str]) -> pd.DataFrame:
    """Accuracy on target images whose concept a source domain shows and on the others, last step, mean over targets.

    Empty where the data name no concepts. ``n``: images of both kinds, mean over targets and seeds.
    """
    error = " ± SE" if len(block.seeds) > 1 else ""
    rows = []
    for swa in (False, True):
        for algorithm in (name for name in algorithms if name in block.algorithms):
            row = {"method": label_of(algorithm, swa)}
            for part in ("seen", "unseen"):
                mean = block.average(algorithm, swa=swa, metric=part)
                if np.isnan(mean.value):
                    continue
                row[f"{part} concepts, accuracy{error}"] = written(mean)
                row[f"n, {part}"] = f"{block.average(algorithm, swa=swa, metric=f'n_{part}').value / 100:.0f}"
            rows.append(row)
    table = pd.DataFrame(rows)
    return table if len(table.columns) > 1 else table.iloc[:0]


def _nothing(algorithm: str, swa: bool, target: str | None) -> Printed | None:
    return None


def _paper(lookup: Lookup, algorithm: str, swa: bool, target: str | None, metric: str) -> str:
    found = lookup(algorithm, swa, target) if metric == "accuracy" else None  # the papers print no balanced accuracy
    return NONE if found is None else str(found)
