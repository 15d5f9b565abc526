"""Two models on the same images: how much more often the second is right."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two accuracies on the same images.

    Attributes:
        mean: accuracy of the second minus accuracy of the first.
        low: lower end of the 95 % interval.
        high: upper end.
        n: images, the unit of replication.
    """

    mean: float
    low: float
    high: float
    n: int


def paired_difference(first: np.ndarray, second: np.ndarray, *, seed: int = 0) -> PairedDifference:
    """How much more often the second model is right than the first, image by image.

    The 95 % interval is a percentile bootstrap over images (10,000 resamples): it describes these two
    trained models on more images of this kind, and says nothing of other training seeds.

    Args:
        first: (n,) bool, per image.
        second: (n,) bool, the same images in the same order.
        seed: of the resampling.
    """
    difference = second.astype(np.float64) - first.astype(np.float64)
    mean = float(difference.mean())
    if np.ptp(difference) == 0:  # nothing to resample
        return PairedDifference(mean, mean, mean, len(difference))
    interval = stats.bootstrap(
        (difference,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(seed), batch=500
    ).confidence_interval
    return PairedDifference(mean, float(interval.low), float(interval.high), len(difference))
