"""Methods that move the weights before the gradient is taken: their files are in ``ascent/``. No torch in here."""

from dataclasses import dataclass

from landscape.algorithms.method import Choice, Method, Options, ranges
from landscape.fields import option


@dataclass(frozen=True)
class SAMOptions(Options):
    """How far SAM looks."""

    rho: float = option(0.05, above=0)
    """Radius of the ball in weight space; with --options.adaptive relative to the weights."""
    adaptive: bool = False
    """ASAM: the radius of each weight is proportional to it."""


@dataclass(frozen=True)
class GSAMOptions(Options):
    """How far GSAM looks, and how much of the gradient it gives up. The values are for fine-tuning; the paper's are
    for vision transformers from scratch (radius 0.6 to 0.1, alpha 0.6).
    """

    rho: float = option(0.05, above=0)
    """Radius of the ball in weight space at the first learning rate."""
    rho_min: float = option(0.05, least=0)
    """Radius where the learning rate has fallen to zero; it has to be rho for a constant learning rate."""
    alpha: float = option(0.1, least=0)
    """How much of the gradient's part at right angles to the one from above is climbed."""


@dataclass(frozen=True)
class SAGMOptions(Options):
    """How far SAGM looks, and how it matches the two gradients."""

    rho: float = option(0.05, above=0)
    """Radius of the ball in weight space."""
    alpha: float = option(1e-3, least=0)
    """Step down the gradient that the ascent takes back; the authors have 5e-4 on Office-Home and DomainNet."""


ROWS = (
    Method(
        "sam",
        "SAM",
        "Foret et al. 2021, Algorithm 1; adaptive: Kwon et al. 2021",
        "ascent.sam",
        SAMOptions,
        colour="#4D4D4D",
        search=ranges(rho=Choice((0.01, 0.02, 0.05, 0.1))),
    ),
    Method(
        "gsam",
        "GSAM",
        "Zhuang et al. 2022, Algorithm 1",
        "ascent.gsam",
        GSAMOptions,
        colour="#7F8C3A",
        search=ranges(alpha=Choice((0.01, 0.05, 0.1, 0.2, 0.4))),
    ),
    Method(
        "sagm",
        "SAGM",
        "Wang et al. 2023, section 3",
        "ascent.sagm",
        SAGMOptions,
        colour="#3A7F8C",
        search=ranges(alpha=Choice((5e-4, 1e-3))),
    ),
)
