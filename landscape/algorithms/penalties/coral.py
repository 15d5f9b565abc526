"""Deep CORAL: domains' codes with the same mean and covariance."""

from typing import cast

from torch import Tensor

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed, Metrics, Outputs
from landscape.algorithms.penalties.domains import mean_over_pairs, need_two_images
from landscape.algorithms.rows.penalties import AlignmentOptions


def build(setup: Setup) -> Composed:
    """Deep CORAL (Sun & Saenko 2016, section 3), in DomainBed's form: means are matched, too."""
    need_two_images(setup)
    options = cast(AlignmentOptions, setup.config.options)

    def penalty(outputs: Outputs, step: int) -> tuple[Tensor, Metrics]:
        found = mean_over_pairs(cast(Tensor, outputs.codes), moments_distance)
        return options.weight * found, {"penalty": found.detach()}

    return Composed(setup, penalty=penalty)


def moments_distance(first: Tensor, second: Tensor) -> Tensor:
    """``mean (mu - mu')^2 + mean (Cov - Cov')^2`` of two samples (B, D) and (B', D); Cov divides by B - 1."""
    means = first.mean(0) - second.mean(0)
    return means.square().mean() + (_covariance(first) - _covariance(second)).square().mean()


def _covariance(codes: Tensor) -> Tensor:
    centred = codes - codes.mean(0)
    return centred.T @ centred / (len(codes) - 1)
