"""Methods that penalise differences between domains: their files are in ``penalties/``. No torch in here."""

from dataclasses import dataclass

from landscape.algorithms.method import LogUniform, Method, Options, ranges
from landscape.fields import option


@dataclass(frozen=True)
class AlignmentOptions(Options):
    """How strongly the domains' codes are aligned."""

    weight: float = option(1.0, least=0)
    """Weight of the penalty, a mean over pairs of domains."""


ROWS = (
    Method(
        "coral",
        "CORAL",
        "Sun & Saenko 2016, section 3, in DomainBed's form",
        "penalties.coral",
        AlignmentOptions,
        fewest_domains=2,
        needs_codes=True,
        colour="#2E5A88",
        search=ranges(weight=LogUniform(-1, 1)),
    ),
)
