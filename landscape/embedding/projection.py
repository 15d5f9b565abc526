"""Principal components of source codes: the reduced space in which hulls are taken."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal components of source codes; the target has no say in them.

    Attributes:
        mean: (D,).
        axes: (D, d) orthonormal, by descending variance.
        explained: (d,) share of the sources' variance in the first 1, 2, ... components.
    """

    mean: np.ndarray
    axes: np.ndarray
    explained: np.ndarray

    @classmethod
    def fit(cls, codes: np.ndarray, dimensions: int) -> "Projection":
        """Principal components of codes (N, D), as many as `dimensions` if the codes span them."""
        centred = codes.astype(np.float64)
        mean = centred.mean(0)
        centred -= mean
        variances, vectors = np.linalg.eigh(centred.T @ centred / len(codes))
        variances, vectors = variances[::-1].clip(min=0.0), vectors[:, ::-1]
        rank = int((variances > variances[0] * 1e-12).sum())
        kept = min(dimensions, rank)
        # An eigenvector's sign is arbitrary: the largest entry is positive.
        axes = vectors[:, :kept]
        axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(kept)] < 0, -1.0, 1.0)
        total = max(float(variances.sum()), 1e-300)
        return cls(mean, axes, variances[:kept].cumsum() / total)

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """(n, D) -> (n, d), float64."""
        result: np.ndarray = (codes.astype(np.float64) - self.mean) @ self.axes
        return result
