"""How far the source domains' gradients agree over a plane of weight space: the result and its file.

No torch in here: a stored map opens and redraws without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from landscape.result_file import ResultFile

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
_FILE = ResultFile("a map of conflict", "conflict", FORMAT, "python -m landscape.figures conflict-map")
_WORDS = {
    "cosine": "cosine of two source domains' gradients of the mean cross entropy, all parameters",
    "norm": "Euclidean norm of a source domain's gradient, in nat per unit of weight-space distance",
    "within": "cosine of the gradients of two halves of one domain's images",
}


@dataclass(frozen=True, eq=False)
class ConflictMap:
    r"""Cosines between the source domains' gradients at the points of a grid on a plane.

    .. math:: \cos(g_a, g_b) = \frac{\langle g_a, g_b\rangle}{\|g_a\|\,\|g_b\|},\qquad
        g_d = \nabla_\theta \frac{1}{n_d} \sum_{i \in d} \ell_i(\theta)

    over all parameters. Below zero the domains are in conflict: a small step that lowers one's loss raises the other's.

    Attributes:
        x: (nx,) first coordinates on the plane.
        y: (ny,) second coordinates.
        domains: the D source domains.
        pairs: the P = D (D - 1) / 2 pairs of them.
        cosine: (P, ny, nx), NaN where a gradient is zero or overflows.
        norm: (D, ny, nx) norms of the domains' gradients.
        within: (D, ny, nx) cosine of the gradients of two halves of a domain's images: what sampling alone leaves of
            agreement, with half as many images; NaN for a domain with one image.
        about: data, target, model, counts, notes, provenance.
    """

    x: np.ndarray
    y: np.ndarray
    domains: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    cosine: np.ndarray
    norm: np.ndarray
    within: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mean(self) -> np.ndarray:
        """(ny, nx) mean over the pairs."""
        return np.asarray(self.cosine.mean(axis=0))

    @property
    def mean_within(self) -> np.ndarray:
        """(ny, nx) mean over the domains of :attr:`within`."""
        return np.asarray(self.within.mean(axis=0))

    def to_dataframe(self) -> "pd.DataFrame":
        """One row for each grid point: x, y, mean cosine, that of every pair, within the domains, and the norms."""
        import pandas as pd

        yy, xx = np.meshgrid(self.y, self.x, indexing="ij")
        columns = {"x": xx.ravel(), "y": yy.ravel(), "mean_cosine": self.mean.ravel()}
        columns |= {f"{a}-{b}": values.ravel() for (a, b), values in zip(self.pairs, self.cosine, strict=True)}
        columns["within_domains"] = self.mean_within.ravel()
        columns |= {f"norm_{name}": values.ravel() for name, values in zip(self.domains, self.norm, strict=True)}
        return pd.DataFrame(columns)

    def save(self, path: Path | str) -> Path:
        """Write everything to one netCDF file, atomically."""
        axes = {"y": self.y, "x": self.x, "domain": np.array(self.domains, dtype=object)}
        axes["pair"] = np.array(["-".join(pair) for pair in self.pairs], dtype=object)
        variables = {
            name: ((first, "y", "x"), getattr(self, name), {"long_name": _WORDS[name]})
            for name, first in (("cosine", "pair"), ("norm", "domain"), ("within", "domain"))
        }
        return _FILE.write(path, xr.Dataset(variables, coords=axes), {**self.about, "pairs": self.pairs})

    @classmethod
    def load(cls, path: Path | str) -> "ConflictMap":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or no map of conflict.
        """
        with _FILE.reading(path) as (stored, about):
            pairs = tuple((str(a), str(b)) for a, b in about.pop("pairs"))
            domains = tuple(str(name) for name in stored["domain"].values)
            values = {name: stored[name].values for name in ("x", "y", "cosine", "norm", "within")}
            return cls(domains=domains, pairs=pairs, about=about, **values)
