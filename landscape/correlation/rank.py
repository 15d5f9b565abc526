"""Rank correlations with their intervals and p-values: Spearman's rho, and rho given other variables."""

import numpy as np
from scipy import stats

from landscape.intervals import Interval, bca

# Fewer points have a rho, but no interval and no p that mean anything.
FEWEST = 4


def numbers_of(one: Interval) -> dict[str, float]:
    """A coefficient, its interval, p and n under the names that files and tables give them."""
    return {"rho": one.value, "low": one.low, "high": one.high, "p": one.p, "n": one.n}


def nothing(n: int) -> Interval:
    """The estimate where there is nothing to estimate from."""
    return Interval(np.nan, n=n, unit="pairs")


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's rho, the correlation of the ranks; ties get their mean rank.

    Args:
        x: (..., n) one variable.
        y: (..., n) the other.

    Returns:
        (...): NaN where a variable is constant.
    """
    return _pearson(_ranks(x), _ranks(y))


def partial_spearman(x: np.ndarray, y: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Rank correlation of x and y given other variables: of what their ranks do not owe linearly to those ranks.

    ``(r_xy - r_xz R^+ r_zy) / sqrt((1 - r_xz R^+ r_zx)(1 - r_yz R^+ r_zy))`` with R the rank correlations of the
    given variables, which is the correlation of the residuals of two regressions.

    Args:
        x: (..., n) one variable.
        y: (..., n) the other.
        given: (..., k, n) what is held fixed.

    Returns:
        (...): NaN where the given variables leave nothing of x or of y.
    """
    x, y, given = _standardised(_ranks(x)), _standardised(_ranks(y)), _standardised(_ranks(given))
    n = x.shape[-1]
    # A given variable that is constant explains nothing: its row of zeros leaves the pseudo-inverse alone.
    given = np.nan_to_num(given)
    inner = np.linalg.pinv(given @ np.swapaxes(given, -1, -2) / n, rcond=1e-10, hermitian=True)
    to_x, to_y = (given @ v[..., None] / n for v in (x, y))

    def left(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (np.swapaxes(a, -1, -2) @ inner @ b)[..., 0, 0]

    rest_x, rest_y = 1 - left(to_x, to_x), 1 - left(to_y, to_y)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = ((x * y).mean(-1) - left(to_x, to_y)) / np.sqrt(rest_x * rest_y)
        rho = np.where((rest_x > 1e-10) & (rest_y > 1e-10), rho, np.nan)
    return np.clip(rho, -1.0, 1.0)


def estimate(
    x: np.ndarray,
    y: np.ndarray,
    *,
    given: np.ndarray | None = None,
    resamples: int,
    generator: np.random.Generator,
) -> Interval:
    """Spearman's rho of n independent pairs, or the partial one, with interval and p.

    The interval is the bias-corrected and accelerated bootstrap over the pairs; p comes from Student's t with
    n - 2 - k degrees of freedom, k being the number of given variables (for k = 0 it is that of
    ``scipy.stats.spearmanr``). Both take the pairs as independent.

    Args:
        x: (n,) one variable.
        y: (n,) the other.
        given: (k, n) what is held fixed; None for the plain rho.
        resamples: bootstrap samples.
        generator: their source.
    """
    n = len(x)

    def at(index: np.ndarray, axis: int = -1) -> np.ndarray:
        if given is None:
            return spearman(x[index], y[index])
        return partial_spearman(x[index], y[index], np.moveaxis(given[:, index], 0, -2))

    rho = float(at(np.arange(n))) if n > 1 else np.nan
    free = n - 2 - (0 if given is None else len(given))
    if n < FEWEST or free < 1 or np.isnan(rho):
        return Interval(rho, n=n, unit="pairs")
    low, high = bca(at, n, resamples=resamples, generator=generator)
    t = rho * np.sqrt(free / max((1 - rho) * (1 + rho), 1e-300))
    return Interval(rho, low, high, n, "pairs", p=float(2 * stats.t.sf(abs(t), free)))


def _ranks(values: np.ndarray) -> np.ndarray:
    return stats.rankdata(values, axis=-1)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Mean 0, variance 1 along the last axis; NaN where constant."""
    centred = values - values.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True))
    # Ranks are halves of integers, so a constant row has a deviation of exactly 0 or of rounding size.
    return np.divide(centred, scale, out=np.full_like(centred, np.nan), where=scale > 1e-9)


def _pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.clip((_standardised(x) * _standardised(y)).mean(-1), -1.0, 1.0)
