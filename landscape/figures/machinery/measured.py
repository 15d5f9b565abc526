"""What items measure, and what that costs: forward passes of images, a gradient counted as three.

Items name these functions in the registry; what several of them share is measured once, so it counts once. No torch in
here.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from landscape.figures.machinery.study import Study

# A backward pass costs about two forward passes.
_BACKWARD = 3


def _cells(study: "Study") -> int:
    return len(study.targets) * len(study.seeds)


def _images(study: "Study") -> int:
    return len(study.listing.entries)


def codes(study: "Study") -> int:
    """FGMix's latent codes, of every target and seed."""
    return _cells(study) * _images(study)


def codes_of_both(study: "Study") -> int:
    """ERM's and FGMix's latent codes."""
    return 2 * codes(study)


def scores(study: "Study") -> int:
    """The learned score beside the gradients' cosines."""
    return codes(study)


def main_flatness(study: "Study") -> int:
    """The flatness curves of every method for one target and seed."""
    scale = study.scale
    return (scale.flat_images or _images(study)) * scale.gammas * scale.directions * len(scale.methods)


def flatness(study: "Study") -> int:
    """The same for every target and seed."""
    return _cells(study) * main_flatness(study)


def fixed_scale_flatness(study: "Study") -> int:
    """The flatness curves of the ten runs with fixed lambda, for every seed."""
    return 10 * len(study.seeds) * main_flatness(study) // len(study.scale.methods)


def main_surface(study: "Study") -> int:
    """The plane of one target and seed: three anchors, four path ends and their projections beside the grid."""
    return (study.scale.points**2 + 11) * _images(study)


def surfaces(study: "Study") -> int:
    """The planes of every target and seed."""
    return _cells(study) * main_surface(study)


def conflict(study: "Study") -> int:
    """Gradients over the plane."""
    return _BACKWARD * study.scale.conflict_points**2 * study.scale.conflict_images


def curvature(study: "Study") -> int:
    """Of ERM and FGMix: about 60 products with the Hessian for the top eigenvalue and the trace, two gradients each."""
    return 2 * 60 * 2 * _BACKWARD * study.scale.curvature_images * study.scale.curvature_steps


# What is part of something else: measured with it, it costs nothing.
PARTS: dict[Callable[["Study"], int], Callable[["Study"], int]] = {main_surface: surfaces, main_flatness: flatness}
