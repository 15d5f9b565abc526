"""The ablation A to F and FGMix for every target domain: tables C.2 of the FGMix paper."""

from landscape.figures.items.table2 import VARIANTS, finding_of, lookup_of, notes_of
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.run_scores import Block, Scores
from landscape.figures.numbers.tabulate import kind_of_error, missing_cells, of_every_target, values


def make(study: Study) -> Product:
    """Ablation for every target domain (FGMix paper, tables C.2)."""
    scores = Scores.of(study, VARIANTS)
    return Product(
        caption=f"{study.about()} Percent on the target domain in each column ({kind_of_error(study.seeds)}): accuracy "
        "and balanced accuracy after the last step, and accuracy at the step that source validation chooses, as in the "
        "paper, whose values stand there; the same seeds for all variants.",
        finding=finding_of(Block.of(scores, study)),
        tables={**of_every_target(scores, study, lookup_of(study)), "values": values(scores)},
        facts={"seeds": list(study.seeds), "targets": list(study.targets), "n": scores.runs},
        notes=(*missing_cells(scores, study), *notes_of(study)),
    )
