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
)
