"""Principal components of source codes: the reduced space in which hulls are taken."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA


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
        """Principal components of codes (N, D), as many as `dimensions` if the codes span them.

        The largest entry of each is positive.
        """
        exact = codes.astype(np.float64)
        mean = exact.mean(0)
        # Centred here: scikit-learn subtracts the means' products from a sum of squares, which loses digits.
        centred = exact - mean
        if not centred.any():
            return cls(mean, np.empty((codes.shape[1], 0)), np.empty(0))
        found = PCA(min(dimensions, *codes.shape), svd_solver="covariance_eigh").fit(centred)
        kept = int((found.explained_variance_ > found.explained_variance_[0] * 1e-12).sum())
        return cls(mean, found.components_[:kept].T, found.explained_variance_ratio_[:kept].cumsum())

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """(n, D) -> (n, d), float64."""
        result: np.ndarray = (codes.astype(np.float64) - self.mean) @ self.axes
        return result
