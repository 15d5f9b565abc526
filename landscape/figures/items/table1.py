"""The overall comparison: Table 1 of the FGMix paper, our runs beside what it prints."""

import numpy as np
import pandas as pd

from landscape.algorithms.catalogue import label_of
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import over_cells, smallest_p
from landscape.figures.numbers.published import DATASETS, NONE, PLUS_MINUS, SEARCH, Printed, matched, overall
from landscape.figures.numbers.run_scores import Block, Scores, step_time
from landscape.figures.numbers.tabulate import Lookup, averages, concepts, kind_of_error, values
from landscape.reference import read


def make(study: Study) -> Product:
    """Overall comparison of the methods, averaged over target domains (FGMix paper, Table 1).

    Two tables: ours, and the paper's with a row of ours for every data set and protocol that match.
    """
    scores = Scores.of(study, study.scale.methods)
    block = Block.of(scores, study)
    lookup = lookup_of(study)
    ours = averages(block, lookup, "erm")
    times = _times(study, block)
    ours = ours.merge(times, on="method")
    n = len(block.targets)
    caption = (
        f"{study.about(block.targets, block.seeds)} Accuracy and balanced accuracy on the target domain in percent, "
        f"averaged over {_count(n, 'target domain')} ({kind_of_error(block.seeds)}). All methods have "
        "the same seeds, and with them the same splits, batches and initialisation."
    )
    notes = [
        *block.notes,
        "A row + SWA is compared with ERM + SWA, the others with ERM. The paper selects on source validation, so its "
        "values belong beside that column.",
        *(
            ["Table concepts: target images whose concept a source domain shows, apart from the others."]
            if (apart := _concepts(block))
            else []
        ),
        f"Test against ERM: differences of targets, seeds averaged first; with {_count(n, 'target')} the smallest "
        f"possible p is {smallest_p(n):.3g}; n/a where fewer than two targets differ."
        if n > 1
        else "Test against ERM: the target domain is the unit, and one target allows no test.",
        f"Times are of one run each: target {block.targets[0]}, seed {block.seeds[0]}; medians before and from T0 on, "
        "and their mean over the schedule. Every run also keeps the weight average, so a method and its SWA row share "
        "the time. Steps before T0 are the same run for all methods.",
        PLUS_MINUS,
        *([SEARCH] if matched(study) else [no_match(study)]),
    ]
    return Product(
        caption=caption,
        finding=finding_of(block),
        tables={"": ours, "published": _published(study, block), "values": values(scores)} | apart,
        facts={"seeds": list(block.seeds), "targets": list(block.targets), "n": n * len(block.seeds)},
        notes=tuple(notes),
    )


def _concepts(block: Block) -> dict[str, pd.DataFrame]:
    """ERM and FGMix on target images with and without a concept that a source domain shows."""
    table = concepts(block, ("erm", "fgmix"))
    return {"concepts": table} if len(table) else {}


def lookup_of(study: Study) -> Lookup:
    """What the paper prints in Table 1, or with a target in C.1."""

    def find(algorithm: str, swa: bool, target: str | None) -> Printed | None:
        return overall(study, algorithm, swa=swa, target=target)

    return find


def finding_of(block: Block) -> str:
    """FGMix against ERM with these runs, in one sentence."""
    if not {"erm", "fgmix"} <= set(block.algorithms):
        return f"{_count(len(block.algorithms), 'method')} with finished runs; ERM and FGMix are not both among them."
    parts = []
    for swa in (False, True):
        gap = over_cells(block.values("fgmix", swa=swa) - block.values("erm", swa=swa))
        seeds = len(block.seeds)
        words = f"{label_of('fgmix', swa)} minus {label_of('erm', swa)} {gap.value:+.1f} points"
        if gap.known:
            words += f" [{gap.low:+.1f}, {gap.high:+.1f}] over {gap.n} {gap.unit}"
            words += ", one seed, undecided" if seeds == 1 else "" if gap.decided else ", undecided"
        else:
            words += ", one seed and one target, undecided"
        parts.append(words)
    return "; ".join(parts) + "."


def _times(study: Study, block: Block) -> pd.DataFrame:
    rows = []
    for algorithm in block.algorithms:
        run = study.run(algorithm, block.targets[0], block.seeds[0])
        assert run is not None  # the block is full
        time = step_time(run)
        for swa in (False, True):
            rows.append(
                {
                    "method": label_of(algorithm, swa),
                    "step, ms (schedule average)": _ms(time.schedule),
                    "step from T0 on, ms": _ms(time.active),
                }
            )
    return pd.DataFrame(rows)


def _ms(value: float) -> str:
    return NONE if np.isnan(value) else f"{value:.1f}"


def _published(study: Study, block: Block) -> pd.DataFrame:
    """The paper's Table 1, and a row of ours under it for each method; n/a where data set or protocol differ."""
    table = read("fgmix_results")
    table = table[table["table"] == "Table 1"]
    names = [*DATASETS.values(), "Avg", "3-source datasets"]
    rows: list[dict[str, str]] = []
    for (name, swa), cells in table.groupby(["algorithm", "swa"], sort=False):
        dagger = " †" if cells["reproduced_by_authors"].any() else ""
        row = {"row": "paper", "method": f"{name}{' + SWA' if swa else ''}{dagger}"}
        for column in names:
            cell = cells[cells["dataset"] == column]
            row[column] = str(Printed(float(cell["mean"].iloc[0]), float(cell["std"].iloc[0])))
        rows.append(row)
    dataset = matched(study)
    for swa in (False, True):
        for algorithm in block.algorithms:
            row = {"row": "ours", "method": label_of(algorithm, swa)} | dict.fromkeys(names, NONE)
            if dataset:
                mean = block.average(algorithm, swa=swa, selection="validation")
                row[dataset] = str(Printed(mean.value, mean.error))
            rows.append(row)
    return pd.DataFrame(rows).rename(columns={"Avg": "average", "3-source datasets": "time, ms"})


def no_match(study: Study) -> str:
    """The note of a study that the papers have no numbers for."""
    return (
        f"The papers print no numbers for {study.data_name} at this protocol (model {study.base.model}, "
        f"{study.base.image_size} px, {study.base.steps} steps), so their columns read {NONE}."
    )


def _count(n: int, noun: str) -> str:
    return f"one {noun}" if n == 1 else f"{n} {noun}s"
