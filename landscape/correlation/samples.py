"""What was sampled, and what came out: scores beside cosines for two domains, and within groups."""

from dataclasses import dataclass

import numpy as np

from landscape.correlation.rank import estimate, nothing
from landscape.intervals import Interval


@dataclass(frozen=True)
class DomainPair:
    """The pairs of one panel: the score of the first image's gradient with the second's, and their cosine.

    Attributes:
        first: domain of the first image, whose weight the score enters.
        second: domain of the second.
        score: (n,) ``S(g_first, g_second)``.
        cosine: (n,) cosine of the two gradients.
        norms: (n, 2) Euclidean norms of the two gradients; NaN where they are not known.
        labels: (n,) class; -1 where it is not known.
        rows: (n, 2) the images, as indices into the data; -1 where there are none.
        rho: Spearman's rho of score and cosine.
        partial: the partial one, given both norms.
    """

    first: str
    second: str
    score: np.ndarray
    cosine: np.ndarray
    norms: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    rho: Interval
    partial: Interval

    @classmethod
    def correlated(
        cls,
        first: str,
        second: str,
        *,
        score: np.ndarray,
        cosine: np.ndarray,
        norms: np.ndarray,
        labels: np.ndarray,
        rows: np.ndarray,
        resamples: int,
        generator: np.random.Generator,
    ) -> "DomainPair":
        """Sampled pairs with their two correlations; `generator` is the bootstrap's."""
        rho = estimate(score, cosine, resamples=resamples, generator=generator)
        partial = nothing(len(score))
        if not np.isnan(norms).any():
            partial = estimate(score, cosine, given=norms.T, resamples=resamples, generator=generator)
        return cls(first, second, score, cosine, norms, labels, rows, rho, partial)

    @property
    def name(self) -> str:
        """``first -> second``."""
        return f"{self.first} \N{RIGHTWARDS ARROW} {self.second}"

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class GroupScores:
    """Scores within groups: what the weights depend on.

    Attributes:
        score: (M, n) ``s_i - mean_j s_j`` with ``s_i = sum_{j != i} S(g_i, g_j)`` (Eq. 3).
        cosine: (M, n) the same with the cosine in place of S (variant C).
        labels: (M,) class of each group.
        rows: (M, n) the images, in the order of the sources.
        within: Spearman's rho over all members, the group being the unit.
    """

    score: np.ndarray
    cosine: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    within: Interval

    def __len__(self) -> int:
        return len(self.score)
