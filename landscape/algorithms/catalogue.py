"""Every training method, a row each: adding one is its file and its row here.

No torch in here: ``--help`` has to answer at once. ``python -m landscape.algorithms`` prints the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from landscape.algorithms.fgmix_options import MixupConfig
from landscape.algorithms.method import Choice, LogUniform, Method, Options, Range, own_method
from landscape.errors import unknown_choice
from landscape.fields import option


def _ranges(**ranges: Range) -> Mapping[str, Range]:
    return MappingProxyType(ranges)


def _mixes(name: str, label: str, paper: str, colour: str) -> Method:
    """FGMix or one of its variants: plain ERM before T0, then mixup of latent codes."""
    return Method(
        name,
        label,
        f"FGMix, {paper}",
        "loops.fgmix",
        MixupConfig,
        fewest_domains=2,
        needs_codes=True,
        trunk=True,
        colour=colour,
        search=_ranges(
            policy_lr=Choice((1e-4, 1e-3, 1e-2)),
            scale_init=Choice((1.0, 3.0, 5.0, 8.0)),
            eta=Choice((0.01, 0.03, 0.1, 0.3)),
        ),
    )


@dataclass(frozen=True)
class PCGradOptions(Options):
    """How the projected gradients are put together."""

    total: Literal["mean", "sum"] = "mean"
    """mean keeps ERM's scale (as Pytorch-PCGrad has it); sum is the paper's."""


@dataclass(frozen=True)
class MixStyleOptions(Options):
    """Where and how styles are mixed. The values of the FGMix paper are lost; these are the authors' own."""

    stages: tuple[str, ...] = ("stage1", "stage2")
    """Stages behind which styles are mixed; the last one must not be among them."""
    probability: float = option(0.5, least=0, most=1)
    """Chance that a stage mixes in a step: one coin a stage for the whole batch."""
    alpha: float = option(0.1, above=0)
    """Of the Beta(alpha, alpha) that weighs an image's own style against its partner's."""
    pairing: Literal["random", "cross-domain"] = "random"
    """Partners: any image of the batch, or one of the next domain."""


@dataclass(frozen=True)
class SagNetOptions(Options):
    """The adversary of SagNet, as in DomainBed: styles of latent codes."""

    weight: float = option(0.1, least=0)
    """Weight of the adversarial loss."""


@dataclass(frozen=True)
class SagNetMapsOptions(Options):
    """The adversary of SagNet, as its authors have it: styles of feature maps."""

    stage: str = "stage2"
    """The stage behind which styles are exchanged: the next one is the first that the style network has of its own."""
    weight: float = option(0.1, least=0)
    """Weight of the adversarial loss."""
    clip: float = option(0.1, above=0)
    """Largest norm of the adversarial gradient."""


@dataclass(frozen=True)
class SAMOptions(Options):
    """How far SAM looks."""

    rho: float = option(0.05, above=0)
    """Radius of the ball in weight space; with --options.adaptive relative to the weights."""
    adaptive: bool = False
    """ASAM: the radius of each weight is proportional to it."""


_ROWS = (
    Method("erm", "ERM", "Vapnik 1998", "erm", trunk=True, colour="#D55E00"),
    _mixes("a0", "A0", "control: copies instead of mixtures", "#6B6B6B"),
    _mixes("a", "A", "Table 2: random interpolation", "#E69F00"),
    _mixes("b", "B", "Table 2: cosines of codes", "#F0E442"),
    _mixes("c", "C", "Table 2: cosines of gradients", "#009E73"),
    _mixes("d", "D", "Table 2: C, extrapolated by a fixed lambda", "#56B4E9"),
    _mixes("e0", "E0", "control: E with lambda fixed", "#6B6B6B"),
    _mixes("e", "E", "Table 2: learned score and lambda, flatness loss only", "#CC79A7"),
    _mixes("f", "F", "Table 2: FGMix with codes in place of gradients", "#000000"),
    _mixes("fgmix", "FGMix", "Algorithm 1", "#0072B2"),
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
        "mixstyle",
        "MixStyle",
        "Zhou et al. 2021, section 3",
        "features.mixstyle",
        MixStyleOptions,
        colour="#1B7837",
        search=_ranges(alpha=Choice((0.1, 0.2, 0.3))),
    ),
    Method(
        "sagnet",
        "SagNet",
        "Nam et al. 2021, in DomainBed's form on latent codes",
        "loops.sagnet",
        SagNetOptions,
        needs_codes=True,
        colour="#A6611A",
        search=_ranges(weight=LogUniform(-2, 1)),
    ),
    Method(
        "sagnet-maps",
        "SagNet (maps)",
        "Nam et al. 2021, in the authors' form on feature maps",
        "loops.sagnet_maps",
        SagNetMapsOptions,
        needs_codes=True,
        colour="#C98B4B",
    ),
    Method(
        "sam",
        "SAM",
        "Foret et al. 2021, Algorithm 1; adaptive: Kwon et al. 2021",
        "ascent.sam",
        SAMOptions,
        colour="#4D4D4D",
        search=_ranges(rho=Choice((0.01, 0.02, 0.05, 0.1))),
    ),
)
METHODS: Mapping[str, Method] = MappingProxyType({row.name: row for row in _ROWS})
"""The methods of this version, by name."""


def find(name: str) -> Method:
    """The row of a method; of the user's own, ``package.module:Class``, one that imports nothing yet.

    Raises:
        InputError: there is no such method; the nearest one is suggested.
    """
    if ":" in name:
        return own_method(name)
    if name not in METHODS:
        raise unknown_choice("--algorithm", name, [*METHODS, "package.module:Class"])
    return METHODS[name]


def label_of(name: str, swa: bool = False) -> str:
    """What a method is called in figures and tables (``FGMix + SWA``); a name of no method is called by it."""
    return (METHODS[name].label if name in METHODS else name.rpartition(":")[2]) + (" + SWA" if swa else "")
