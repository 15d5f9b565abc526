"""Methods with an update of their own: their files are in ``loops/``. No torch in here."""

from dataclasses import dataclass

from landscape.algorithms.method import LogUniform, Method, Options, ranges
from landscape.fields import option


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


ROWS = (
    Method(
        "sagnet",
        "SagNet",
        "Nam et al. 2021, in DomainBed's form on latent codes",
        "loops.sagnet",
        SagNetOptions,
        needs_codes=True,
        colour="#A6611A",
        search=ranges(weight=LogUniform(-2, 1)),
    ),
    Method(
        "sagnet-maps",
        "SagNet (maps)",
        "Nam et al. 2021, in the authors' form on feature maps",
        "loops.sagnet_maps",
        SagNetMapsOptions,
        needs_stages=True,
        needs_codes=True,
        colour="#C98B4B",
    ),
)
