"""Methods that replace the mean gradient: their files are in ``rules/``. No torch in here."""

from dataclasses import dataclass
from typing import Literal

from landscape.algorithms.method import Method, Options, Uniform, ranges
from landscape.fields import option


@dataclass(frozen=True)
class PCGradOptions(Options):
    """How the projected gradients are put together."""

    total: Literal["mean", "sum"] = "mean"
    """mean keeps ERM's scale (as Pytorch-PCGrad has it); sum is the paper's."""


@dataclass(frozen=True)
class ANDMaskOptions(Options):
    """Which coordinates AND-Mask moves, and how far."""

    tau: float = option(1.0, least=0, most=1)
    """Smallest agreement of signs, abs(mean sign); with 3 domains it is 1/3 or 1, so that all from above 1/3 are one
    setting (DomainBed's whole search range) and up to 1/3 nothing is masked."""
    geometric: bool = False
    """The geometric mean of the domains' gradients in place of the arithmetic one, as the authors' code offers."""


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
    Method(
        "and-mask",
        "AND-Mask",
        "Parascandolo et al. 2021",
        "rules.and_mask",
        ANDMaskOptions,
        fewest_domains=2,
        colour="#5E3C99",
        search=ranges(tau=Uniform(0.5, 1)),
    ),
)
