"""Every figure and table by name: what it shows, which runs it wants, what it measures, and what makes it.

No torch in here: ``--list`` has to answer at once. An item's module is imported when it is made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, cast

from landscape.algorithms.catalogue import METHODS
from landscape.config import RunConfig
from landscape.figures.machinery.measured import (
    codes,
    codes_of_both,
    conflict,
    curvature,
    fixed_scale_flatness,
    flatness,
    main_flatness,
    main_surface,
    scores,
    surfaces,
)

if TYPE_CHECKING:
    from landscape.figures.machinery.product import Product
    from landscape.figures.machinery.study import Study

Paper = Literal["FGMix", "DGE", "beyond"]
Wanted = Callable[["Study"], list[RunConfig]]
Measured = Callable[["Study"], int]


def no_runs(study: "Study") -> list[RunConfig]:
    """Nothing is trained for it."""
    return []


def every_target(study: "Study") -> list[RunConfig]:
    """The scale's methods for every target and seed."""
    return study.wanted(study.scale.methods)


def erm_and_fgmix(study: "Study") -> list[RunConfig]:
    """ERM and FGMix for every target and seed."""
    return study.wanted(("erm", "fgmix"))


def main_target(study: "Study") -> list[RunConfig]:
    """ERM and FGMix for the main target, every seed."""
    return study.wanted(("erm", "fgmix"), [study.main])


def all_variants(study: "Study") -> list[RunConfig]:
    """The methods for every target, the further variants for the main one."""
    return every_target(study) + study.wanted(study.scale.ablation, [study.main])


def sensitivity_runs(study: "Study") -> list[RunConfig]:
    """The runs of Table C.3."""
    from landscape.figures.items.tablec3 import wanted

    return wanted(study)


def scaling_runs(study: "Study") -> list[RunConfig]:
    """The runs with fixed lambda."""
    from landscape.figures.items.scaling_sensitivity import wanted

    return wanted(study)


@dataclass(frozen=True)
class Item:
    """One figure or table.

    Attributes:
        name: on the command line and of its files.
        paper: where it is printed, or ``beyond``.
        place: figure or table number there.
        title: what it shows.
        wanted: the runs it wants; it may be made of fewer, and then says so.
        measures: what it evaluates, each a function of :mod:`~landscape.figures.machinery.measured` that says how many
            forward passes that takes; none for an item that only reads what training recorded.
        algorithms: the ones it cannot be made without.
        only_by_name: made only when asked for by name, because it takes long.
        maker: ``module:function`` of :mod:`landscape.figures.items`; by default ``make`` of the module with its name.
        reads: runs that count if they exist, and that are not trained for it.
    """

    name: str
    paper: Paper
    place: str
    title: str
    wanted: Wanted
    measures: tuple[Measured, ...]
    algorithms: tuple[str, ...] = ()
    only_by_name: bool = False
    maker: str = ""
    reads: Wanted = no_runs

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Algorithms that this version does not have yet."""
        return tuple(name for name in self.algorithms if name not in METHODS)

    @property
    def module(self) -> str:
        """Full name of the module that makes it."""
        return f"landscape.figures.items.{self.maker.partition(':')[0] or self.name.lower().replace('-', '_')}"

    def load(self) -> Callable[["Study"], "Product"]:
        """The function that makes it of a study."""
        return cast(
            "Callable[[Study], Product]", getattr(import_module(self.module), self.maker.partition(":")[2] or "make")
        )

    def runs(self, study: "Study") -> list[RunConfig]:
        """The runs that the item wants of a study."""
        return [] if self.waits_for else self.wanted(study)

    def read(self, study: "Study") -> list[RunConfig]:
        """The runs that it takes into account if they exist."""
        return [] if self.waits_for else self.reads(study)

    @property
    def without_runs(self) -> bool:
        """Whether it is the same for every study of a scale."""
        return self.wanted is no_runs and self.reads is no_runs

    def make(self, study: "Study") -> "Product":
        """Compute and draw it.

        Raises:
            InputError: runs are missing without which there is nothing to show.
        """
        return self.load()(study)


ITEMS: tuple[Item, ...] = (
    Item("fig1", "FGMix", "Figure 1", "Why extrapolation: sources, target, hull and decision regions", no_runs, ()),
    Item("fig2", "FGMix", "Figure 2", "Training with augmented codes, and the weight policy", main_target, ()),
    Item("fig3", "FGMix", "Figure 3", "Three gradients and their surfaces; weights scaled and shifted", no_runs, ()),
    Item(
        "fig4", "FGMix", "Figure 4", "t-SNE of codes and mixup codes; coverage of the target", erm_and_fgmix, (codes,)
    ),
    Item("fig5", "FGMix", "Figure 5", "Flatness curves over random directions", every_target, (flatness,)),
    Item("fig6", "FGMix", "Figure 6", "Loss surfaces with optimisation paths", erm_and_fgmix, (surfaces,)),
    Item("fig7", "FGMix", "Figure 7", "The toy example of Appendix A, and its table", no_runs, ()),
    Item("fig8", "FGMix", "Figure 8", "The learned score against the gradients' cosine", erm_and_fgmix, (scores,)),
    Item(
        "fig9",
        "FGMix",
        "Figure 9",
        "t-SNE under ERM and FGMix, by class and by domain",
        erm_and_fgmix,
        (codes_of_both,),
    ),
    Item("table1", "FGMix", "Table 1", "Overall comparison", every_target, (), only_by_name=True),
    Item("table2", "FGMix", "Table 2", "Ablation: variants A-F and FGMix", all_variants, ()),
    Item("tableC1", "FGMix", "Tables C.1", "Accuracy for every target domain", every_target, ()),
    Item("tableC2", "FGMix", "Table C.2", "Ablation for every target domain", all_variants, ()),
    Item(
        "tableC3",
        "FGMix",
        "Table C.3",
        "Sensitivity to lambda's start and to eta",
        sensitivity_runs,
        (),
        only_by_name=True,
    ),
    *(
        Item(f"dge-fig{number}", "DGE", f"Figure {number}", title, no_runs, (), algorithms=("dge",))
        for number, title in enumerate(
            (
                "Two conflicting gradients: zeroing, random choice, equilibrium",
                "Overview, from a run's real gradients",
                "Invariant and specific parts of two domain gradients",
                "Accuracy against the number of random operations",
                "Accuracy against alpha",
                "Methods on three backbones",
                "DGE against vanilla training over random operations",
            ),
            start=1,
        )
    ),
    *(
        Item(f"dge-table{number}", "DGE", f"Table {number}", title, no_runs, (), maker=f"dge_tables:table{number}")
        for number, title in enumerate(
            (
                "Single-source accuracy, PACS",
                "Single-source accuracy, OfficeHome",
                "Single-source accuracy, VLCS",
                "Single-source accuracy, DomainNet",
                "Multi-source accuracy",
                "Ablation: gradient adjustment and reweighting",
                "Ablation: number of synthetic domains K",
                "Ablation: gradient averaging",
                "Ablation: augmentations",
            ),
            start=1,
        )
    ),
    Item(
        "surfaces-per-domain", "beyond", "", "One loss panel for each domain on one plane", main_target, (main_surface,)
    ),
    Item(
        "conflict-map",
        "beyond",
        "",
        "Mean cosine of the domains' gradients over the plane",
        main_target,
        (main_surface, conflict),
    ),
    Item("shift", "beyond", "", "How far the target's minimum lies from the sources'", erm_and_fgmix, (surfaces,)),
    Item(
        "curvature-along-path",
        "beyond",
        "",
        "Top eigenvalue and trace along training",
        main_target,
        (main_flatness, curvature),
    ),
    Item("weights-vs-invariance", "beyond", "", "Does the policy weigh invariant instances more?", no_runs, ()),
    Item(
        "scaling-sensitivity",
        "beyond",
        "",
        "Accuracy and flatness for fixed lambda, with and without L_flat",
        scaling_runs,
        (fixed_scale_flatness,),
        only_by_name=True,
    ),
    Item("selection", "beyond", "", "Source validation against target accuracy; the gain from SWA", every_target, ()),
    Item(
        "claims",
        "beyond",
        "",
        "The ledger of the papers' claims",
        all_variants,
        (codes, flatness, surfaces, scores, codes_of_both),
        reads=sensitivity_runs,
    ),
)
