"""Methods that change the minibatch: their files are in ``inputs/``. No torch in here."""

from dataclasses import dataclass
from typing import Literal

from landscape.algorithms.method import Choice, LogUniform, Method, Options, ranges
from landscape.fields import option


@dataclass(frozen=True)
class MixupOptions(Options):
    """Which images Mixup mixes, and how far."""

    alpha: float = option(0.2, above=0)
    """Of the Beta(alpha, alpha) that weighs an image against its partner."""
    pairing: Literal["cross-domain", "pooled"] = "cross-domain"
    """cross-domain: a random ring of the domains, one weight a pair (as DomainBed); pooled: any, one weight a step."""


@dataclass(frozen=True)
class CutMixOptions(Options):
    """How often and how large boxes are pasted."""

    alpha: float = option(1.0, above=0)
    """Of the Beta(alpha, alpha) that says how much of an image stays."""
    probability: float = option(1.0, least=0, most=1)
    """Chance that a step pastes."""


@dataclass(frozen=True)
class LISAOptions(Options):
    """Which pairs LISA makes, and how they are mixed."""

    same_class: float = option(1.0, least=0, most=1)
    """Chance that a step pairs images of one class and different domains; else of one domain and different classes."""
    mix: Literal["cutmix", "mixup"] = "cutmix"
    """cutmix: one box for the batch; mixup: a weight for each image."""
    alpha: float = option(2.0, above=0)
    """Of the Beta(alpha, alpha) that weighs an image against its partner."""


@dataclass(frozen=True)
class RandConvOptions(Options):
    """How a random convolution changes images, and how alike the answers have to be."""

    mode: Literal["mix", "image"] = "mix"
    """mix: images plus their convolution, in random shares; image: the convolution, or at times the images."""
    kernels: tuple[int, ...] = (1, 3, 5, 7)
    """Odd sizes of the kernel; one is drawn for each convolution."""
    original: float = option(0.5, least=0, most=1)
    """With --options.mode image: chance that the images which are classified stay as they are."""
    weight: float = option(10.0, least=0)
    """Weight of the consistency loss; the paper has 10 for mix and 5 for image."""
    clamp: bool = False
    """Cut the results to the range of pixels."""


@dataclass(frozen=True)
class ProRandConvOptions(Options):
    """How often and how far the random block changes images."""

    repeats: int = option(10, least=1)
    """Most times that the block is applied; a step draws from 1 to this."""
    deformation: float = option(0.5, least=0)
    """Largest deviation of the kernel's offsets, in pixels; the paper has 0.2 for images of 32 pixels, 0.5 for 224."""
    smoothness: float = option(2.0, least=0)
    """Width in pixels of the blur that makes the offsets a smooth field; the paper leaves it open."""


ROWS = (
    Method(
        "mixup",
        "Mixup",
        "Zhang et al. 2018, section 2; between domains: Gulrajani and Lopez-Paz 2021",
        "inputs.mixup",
        MixupOptions,
        colour="#2C7FB8",
        search=ranges(alpha=LogUniform(-1, 1)),
    ),
    Method(
        "cutmix",
        "CutMix",
        "Yun et al. 2019, section 3",
        "inputs.cutmix",
        CutMixOptions,
        colour="#41B6C4",
        search=ranges(alpha=Choice((0.2, 0.5, 1.0)), probability=Choice((0.5, 1.0))),
    ),
    Method(
        "lisa",
        "LISA",
        "Yao et al. 2022, section 3",
        "inputs.lisa",
        LISAOptions,
        colour="#225EA8",
        search=ranges(same_class=Choice((0.5, 1.0))),
    ),
    Method(
        "randconv",
        "RandConv",
        "Xu et al. 2021, section 3",
        "inputs.randconv",
        RandConvOptions,
        colour="#7FCDBB",
        search=ranges(weight=Choice((1.0, 5.0, 10.0))),
    ),
    Method(
        "pro-randconv",
        "Pro-RandConv",
        "Choi et al. 2023, section 3",
        "inputs.pro_randconv",
        ProRandConvOptions,
        colour="#1D91C0",
        search=ranges(deformation=Choice((0.1, 0.2, 0.5))),
    ),
)
