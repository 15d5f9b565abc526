"""Every figure and table by name: what it shows, which runs it wants, and the module that makes it.

No torch in here: ``--list`` has to answer at once. An item's module is imported when it is made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, cast

from landscape.config import ALGORITHMS, RunConfig

if TYPE_CHECKING:
    from landscape.figures.product import Product
    from landscape.figures.study import Study

Paper = Literal["FGMix", "DGE", "beyond"]
Wanted = Callable[["Study"], list[RunConfig]]


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
    from landscape.figures.sensitivity import wanted

    return wanted(study)


def scaling_runs(study: "Study") -> list[RunConfig]:
    """The runs with fixed lambda."""
    from landscape.figures.scaling_sensitivity import wanted

    return wanted(study)


@dataclass(frozen=True)
class Item:
    """One figure or table.

    Attributes:
        name: on the command line and of its files.
        paper: where it is printed, or ``beyond``.
        place: figure or table number there.
        title: what it shows.
        module: of this package; its `function` makes the item of a study.
        wanted: the runs it wants; it may be made of fewer, and then says so.
        algorithms: the ones it cannot be made without.
        only_by_name: made only when asked for by name, because it takes long.
        function: ``make(study) -> Product``.
        reads: runs that count if they exist, and that are not trained for it.
    """

    name: str
    paper: Paper
    place: str
    title: str
    module: str
    wanted: Wanted = no_runs
    algorithms: tuple[str, ...] = ()
    only_by_name: bool = False
    function: str = "make"
    reads: Wanted = no_runs

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Algorithms that this version does not have yet."""
        return tuple(name for name in self.algorithms if name not in ALGORITHMS)

    def load(self) -> ModuleType:
        """The module that makes it."""
        return import_module(f"landscape.figures.{self.module}")

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
        module: Any = self.load()
        return cast("Product", getattr(module, self.function)(study))


ITEMS: tuple[Item, ...] = (
    Item("fig1", "FGMix", "Figure 1", "Why extrapolation: sources, target, hull and decision regions", "fig1"),
    Item("fig2", "FGMix", "Figure 2", "Training with augmented codes, and the weight policy", "fig2", main_target),
    Item("fig3", "FGMix", "Figure 3", "Three gradients and their surfaces; weights scaled and shifted", "fig3"),
    Item("fig4", "FGMix", "Figure 4", "t-SNE of codes and mixup codes; coverage of the target", "fig4", erm_and_fgmix),
    Item("fig5", "FGMix", "Figure 5", "Flatness curves over random directions", "fig5", every_target),
    Item("fig6", "FGMix", "Figure 6", "Loss surfaces with optimisation paths", "fig6", erm_and_fgmix),
    Item("fig7", "FGMix", "Figure 7", "The toy example of Appendix A, and its table", "fig7"),
    Item("fig8", "FGMix", "Figure 8", "The learned score against the gradients' cosine", "fig8", erm_and_fgmix),
    Item("fig9", "FGMix", "Figure 9", "t-SNE under ERM and FGMix, by class and by domain", "fig9", erm_and_fgmix),
    Item(
        "table1",
        "FGMix",
        "Table 1",
        "Overall comparison",
        "overall",
        every_target,
        only_by_name=True,
        function="table1",
    ),
    Item("table2", "FGMix", "Table 2", "Ablation: variants A-F and FGMix", "ablation", all_variants, function="table2"),
    Item(
        "tableC1",
        "FGMix",
        "Tables C.1",
        "Accuracy for every target domain",
        "overall",
        every_target,
        function="targets",
    ),
    Item(
        "tableC2",
        "FGMix",
        "Table C.2",
        "Ablation for every target domain",
        "ablation",
        all_variants,
        function="targets",
    ),
    Item(
        "tableC3",
        "FGMix",
        "Table C.3",
        "Sensitivity to lambda's start and to eta",
        "sensitivity",
        sensitivity_runs,
        only_by_name=True,
    ),
    *(
        Item(f"dge-fig{number}", "DGE", f"Figure {number}", title, f"dge_fig{number}", algorithms=("dge",))
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
        Item(f"dge-table{number}", "DGE", f"Table {number}", title, "dge_tables", function=f"table{number}")
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
        "surfaces-per-domain",
        "beyond",
        "",
        "One loss panel for each domain on one plane",
        "surfaces_per_domain",
        main_target,
    ),
    Item(
        "conflict-map",
        "beyond",
        "",
        "Mean cosine of the domains' gradients over the plane",
        "conflict_map",
        main_target,
    ),
    Item("shift", "beyond", "", "How far the target's minimum lies from the sources'", "shift", erm_and_fgmix),
    Item(
        "curvature-along-path",
        "beyond",
        "",
        "Top eigenvalue and trace along training",
        "curvature_along_path",
        main_target,
    ),
    Item(
        "weights-vs-invariance",
        "beyond",
        "",
        "Does the policy weigh invariant instances more?",
        "weights_vs_invariance",
    ),
    Item(
        "scaling-sensitivity",
        "beyond",
        "",
        "Accuracy and flatness for fixed lambda, with and without L_flat",
        "scaling_sensitivity",
        scaling_runs,
        only_by_name=True,
    ),
    Item(
        "selection",
        "beyond",
        "",
        "Source validation against target accuracy; the gain from SWA",
        "selection",
        every_target,
    ),
    Item("claims", "beyond", "", "The ledger of the papers' claims", "claims", all_variants, reads=sensitivity_runs),
)
