"""Methods that act on features between stages: their files are in ``features/``. No torch in here."""

from dataclasses import dataclass
from typing import Literal

from landscape.algorithms.method import Choice, Method, Options, ranges
from landscape.errors import InputError
from landscape.fields import option


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

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.stages or len(set(self.stages)) < len(self.stages):
            raise InputError(
                f"--options.stages is {' '.join(self.stages) or 'empty'}; expected one stage or more, each once "
                "(without any, MixStyle would be plain ERM)."
            )


@dataclass(frozen=True)
class ManifoldMixupOptions(Options):
    """Where Manifold Mixup mixes, which images, and how far."""

    stages: tuple[str, ...] = ("input", "stage1", "stage2")
    """Where features may be mixed: the images or behind a stage; a step draws one."""
    alpha: float = option(2.0, above=0)
    """Of the Beta(alpha, alpha) of a step's weight; the FGMix paper's value is lost, this one is the authors'."""
    pairing: Literal["pooled", "cross-domain"] = "pooled"
    """pooled: any image; cross-domain: a random ring of the domains."""


ROWS = (
    Method(
        "mixstyle",
        "MixStyle",
        "Zhou et al. 2021, section 3",
        "features.mixstyle",
        MixStyleOptions,
        needs_stages=True,
        colour="#1B7837",
        search=ranges(alpha=Choice((0.1, 0.2, 0.3))),
    ),
    Method(
        "manifold-mixup",
        "Manifold Mixup",
        "Verma et al. 2019, section 2",
        "features.manifold_mixup",
        ManifoldMixupOptions,
        needs_stages=True,
        colour="#5AAE61",
        search=ranges(alpha=Choice((0.2, 0.5, 1.0, 2.0))),
    ),
)
