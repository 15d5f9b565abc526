"""Methods that replace the mean gradient: their files are in ``rules/``. No torch in here."""

from dataclasses import dataclass
from typing import Literal

from landscape.algorithms.method import Method, Options


@dataclass(frozen=True)
class PCGradOptions(Options):
    """How the projected gradients are put together."""

    total: Literal["mean", "sum"] = "mean"
    """mean keeps ERM's scale (as Pytorch-PCGrad has it); sum is the paper's."""


ROWS = (
    Method(
        "grad-average",
        "Gradient average",
        "DGE, Table 8: the mean of the views' gradients",
        "rules.grad_average",
        fewest_domains=2,
        views=3,
        colour="#8C6D31",
    ),
    Method(
        "pcgrad",
        "PCGrad",
        "Yu et al. 2020, Algorithm 1",
        "rules.pcgrad",
        PCGradOptions,
        fewest_domains=2,
        colour="#7B3294",
    ),
)
