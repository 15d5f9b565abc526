"""Numbers that papers print, to compare with: ``read("fgmix_results")``. README.md says where they come from."""

from importlib import resources
from io import StringIO
from typing import TYPE_CHECKING, Literal, get_args

from landscape.errors import unknown_choice

if TYPE_CHECKING:
    import pandas as pd

Table = Literal["fgmix_results", "fgmix_ablation", "fgmix_sensitivity", "fgmix_toy", "dge_results", "dge_ablation"]


def text_of(file: str) -> str:
    """A file of this folder as text."""
    return resources.files(__name__).joinpath(file).read_text(encoding="utf-8")


def read(name: Table) -> "pd.DataFrame":
    """A table of numbers as the papers print them, one number a row.

    =====================  ==================================================================================
    ``fgmix_results``      FGMix paper, Table 1 and C.1: accuracy of 20 algorithms, and time per iteration
    ``fgmix_ablation``     FGMix paper, Table 2 and C.2: variants A to F and FGMix
    ``fgmix_sensitivity``  FGMix paper, C.3: lambda's start against eta, TerraIncognita
    ``fgmix_toy``          FGMix paper, Appendix A
    ``dge_results``        Domain Gradient Equilibrium paper, Tables 1 to 5
    ``dge_ablation``       Domain Gradient Equilibrium paper, Tables 6 to 9, and what figures 4 to 6 say in words
    =====================  ==================================================================================

    Accuracies are in percent, times in milliseconds. An empty cell of the paper is NaN. ``paper_value`` and
    ``level`` stay text, because their printed digits and forms (``1.0``, ``0/1``) matter.

    Some cells contradict themselves and must not serve as targets. DGE Table 4, row DGE: the printed average 27.75
    is 25.75 by its own columns. DGE Table 3, row SagNet, repeats Table 1; Table 4, row RandConv, repeats the
    baseline. FGMix C.1, OfficeHome, PCGrad: the average 65.5 is 65.3 by its columns. TerraIncognita L100 has two
    standard deviations, 2.7 in C.1 and 1.7 in C.2. The standard deviations that Table 1 gives for FGMix and for the
    daggered rows are means over target domains; the other rows' are something else. README.md has the whole list.

    Args:
        name: of the table.

    Raises:
        InputError: no such table.
    """
    if name not in get_args(Table):
        raise unknown_choice("reference table", name, get_args(Table))
    import pandas as pd

    return pd.read_csv(StringIO(text_of(f"{name}.csv")), dtype={"paper_value": str, "level": str})
