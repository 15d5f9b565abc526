"""Accuracy for every target domain: tables C.1 of the FGMix paper, our runs beside what it prints."""

from landscape.figures.items.table1 import finding_of, lookup_of, no_match
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.published import PLUS_MINUS, SEARCH, matched
from landscape.figures.numbers.run_scores import Block, Scores
from landscape.figures.numbers.tabulate import kind_of_error, missing_cells, of_every_target, per_target, values


def make(study: Study) -> Product:
    """Accuracy for every target domain (FGMix paper, tables C.1)."""
    scores = Scores.of(study, study.scale.methods)
    lookup = lookup_of(study)
    return Product(
        caption=f"{study.about()} Percent on the target domain of each column ({kind_of_error(study.seeds)}): accuracy "
        "after the last step; balanced accuracy; and both at the step that source validation chooses, as in the paper, "
        "whose values stand there.",
        finding=finding_of(Block.of(scores, study)),
        tables={
            **of_every_target(scores, study, lookup),
            "validation-balanced": per_target(
                scores, study, lookup, selection="validation", metric="balanced_accuracy"
            ),
            "values": values(scores),
        },
        facts={"seeds": list(study.seeds), "targets": list(study.targets), "n": scores.runs},
        notes=(
            *missing_cells(scores, study),
            PLUS_MINUS,
            SEARCH if matched(study) else no_match(study),
        ),
    )
